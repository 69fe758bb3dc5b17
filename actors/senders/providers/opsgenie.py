"""Opsgenie: alerts by the Alert API, identified by an alias."""

from urllib.parse import quote

from actors.senders.kit.alert_actions import Alert, AlertAction, alerts_for, provider_severity
from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, error_field, json_request, post
from actors.senders.kit.retry_after import WAITS
from actors.senders.kit.text_limits import truncate, utf16_units
from app.domain.text.message_text import compose_text, monitor_name_of
from schema.channels import Opsgenie
from schema.message import Message

REGIONS = {"us": "https://api.opsgenie.com", "eu": "https://api.eu.opsgenie.com"}
PRIORITIES = ("P1", "P2", "P3", "P4", "P5")
MESSAGE_LIMIT, NOTE_LIMIT = 130, 15_000  # characters; Opsgenie's limits, UTF-16 units in its Java
ACTION_PATHS = {AlertAction.ACKNOWLEDGE: "acknowledge", AlertAction.CLOSE: "close"}


async def send(config: Opsgenie, message: Message, context: SenderContext) -> None:
    """POST every request, in order."""
    for request in render(config, message):
        await post(request, context.http, error_field("message"), waits=WAITS["opsgenie"])


def render(config: Opsgenie, message: Message) -> list[ProviderRequest]:
    """Render the requests. An open alias counts up instead of alerting again."""
    return [_request(config, one) for one in alerts_for(message) if one.action is not AlertAction.NONE]


def _request(config: Opsgenie, alert: Alert) -> ProviderRequest:
    root = f"{(config.server_url or REGIONS[config.region]).rstrip('/')}/v2/alerts"
    headers = {"Authorization": f"GenieKey {config.api_key}"}
    if alert.action is AlertAction.OPEN:
        return json_request(root, _alert(config, alert), headers)
    url = f"{root}/{quote(alert.key, safe='')}/{ACTION_PATHS[alert.action]}?identifierType=alias"
    content = compose_text(alert.message, with_link=False)
    note = truncate(f"{content.title}\n{content.text}", NOTE_LIMIT, utf16_units)
    return json_request(url, {"source": "Watchkeeper", "note": note}, headers)


def _alert(config: Opsgenie, alert: Alert) -> dict[str, object]:
    content, message = compose_text(alert.message, with_link=False), alert.message
    details = {"event": str(message.event), "delivery_id": message.delivery_id}
    details |= {"acknowledge": message.ack_url} if message.ack_url else {}
    return {
        "message": truncate(content.title, MESSAGE_LIMIT, utf16_units),
        "alias": alert.key,
        "description": truncate(f"{content.title}\n{content.text}", NOTE_LIMIT, utf16_units),
        "priority": PRIORITIES[-1]
        if message.test
        else provider_severity(content.severity, config.priority, PRIORITIES),
        "source": "Watchkeeper",
        "entity": monitor_name_of(message) or "Watchkeeper",
        "tags": [str(message.event)],
        "details": details,
    }
