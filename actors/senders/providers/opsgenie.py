"""Opsgenie: alerts by the Alert API, under an alias."""

from urllib.parse import quote

from actors.senders.kit.alert_actions import Alert, AlertAction, alerts_for, provider_severity
from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, error_field, json_request, post
from actors.senders.kit.text_limits import truncate
from app.domain.text.message_text import compose_text, monitor_name_of
from schema.channels import Opsgenie
from schema.message import Message

REGIONS = {"us": "https://api.opsgenie.com", "eu": "https://api.eu.opsgenie.com"}
PRIORITIES = ("P1", "P2", "P3", "P4", "P5")
MESSAGE_LIMIT, NOTE_LIMIT = 130, 15_000  # characters, Opsgenie's
ACTION_PATHS = {AlertAction.ACKNOWLEDGE: "acknowledge", AlertAction.CLOSE: "close"}


async def send(config: Opsgenie, message: Message, context: SenderContext) -> None:
    """Make every call, one after the other."""
    for request in render(config, message):
        await post(request, context.http, error_field("message"))


def render(config: Opsgenie, message: Message) -> list[ProviderRequest]:
    """The calls. An alias that is open counts up instead of alerting again; news are nobody's alarm."""
    return [_request(config, one) for one in alerts_for(message) if one.action is not AlertAction.NONE]


def _request(config: Opsgenie, alarm: Alert) -> ProviderRequest:
    root = f"{(config.server_url or REGIONS[config.region]).rstrip('/')}/v2/alerts"
    headers = {"Authorization": f"GenieKey {config.api_key}"}
    if alarm.action is AlertAction.OPEN:
        return json_request(root, _alert(config, alarm), headers)
    url = f"{root}/{quote(alarm.key, safe='')}/{ACTION_PATHS[alarm.action]}?identifierType=alias"
    words = compose_text(alarm.message, with_link=False)
    note = truncate(f"{words.title}\n{words.text}", NOTE_LIMIT)
    return json_request(url, {"source": "Watchkeeper", "note": note}, headers)


def _alert(config: Opsgenie, alarm: Alert) -> dict[str, object]:
    words, message = compose_text(alarm.message, with_link=False), alarm.message
    details = {"event": str(message.event), "delivery_id": message.delivery_id}
    details |= {"acknowledge": message.ack_url} if message.ack_url else {}
    return {
        "message": truncate(words.title, MESSAGE_LIMIT),
        "alias": alarm.key,
        "description": truncate(f"{words.title}\n{words.text}", NOTE_LIMIT),
        "priority": PRIORITIES[-1] if message.test else provider_severity(words.severity, config.priority, PRIORITIES),
        "source": "Watchkeeper",
        "entity": monitor_name_of(message) or "Watchkeeper",
        "tags": [str(message.event)],
        "details": details,
    }
