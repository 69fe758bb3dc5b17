"""Grafana OnCall: alerts by a Formatted Webhook integration."""

from actors.senders.kit.alert_actions import Alert, AlertAction, alerts_for
from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, json_request, post
from actors.senders.kit.retry_after import WAITS, json_object
from app.domain.text.message_text import compose_text
from schema.channels import GrafanaOncall
from schema.message import Message


async def send(config: GrafanaOncall, message: Message, context: SenderContext) -> None:
    """POST every alert, in order."""
    for request in render(config, message):
        await post(request, context.http, _explain, waits=WAITS["grafana_oncall"])


def render(config: GrafanaOncall, message: Message) -> list[ProviderRequest]:
    """Render the alerts: `alert_uid` groups them, `ok` resolves the group. There is no external acknowledgement."""
    return [_request(config, one) for one in alerts_for(message) if one.action in (AlertAction.OPEN, AlertAction.CLOSE)]


def _request(config: GrafanaOncall, alert: Alert) -> ProviderRequest:
    content = compose_text(alert.message, with_link=False)
    body: dict[str, object] = {
        "alert_uid": alert.key,
        "title": content.title,
        "state": "alerting" if alert.action is AlertAction.OPEN else "ok",
        "message": content.text,
    }
    body |= {"link_to_upstream_details": alert.message.ack_url} if alert.message.ack_url else {}
    return json_request(config.webhook_url, body)


def _explain(body: bytes) -> str:
    """OnCall uses `detail`, the gateway before it `message`."""
    error = json_object(body)
    return next((text for name in ("detail", "message") if isinstance(text := error.get(name), str)), "")
