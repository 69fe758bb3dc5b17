"""PagerTree: alerts by a webhook integration."""

from actors.senders.kit.alert_actions import Alert, AlertAction, alerts_for
from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, error_field, json_request, post
from app.domain.text.message_text import compose_text
from schema.channels import Pagertree
from schema.message import Message

EVENT_TYPES = {AlertAction.OPEN: "create", AlertAction.ACKNOWLEDGE: "acknowledge", AlertAction.CLOSE: "resolve"}


async def send(config: Pagertree, message: Message, context: SenderContext) -> None:
    """POST every event, in order."""
    for request in render(config, message):
        await post(request, context.http, error_field("message"))


def render(config: Pagertree, message: Message) -> list[ProviderRequest]:
    """Render the events. An open `Id` is not created again."""
    return [_request(config, one) for one in alerts_for(message) if event_type(config, one)]


def event_type(config: Pagertree, alert: Alert) -> str:
    """The `event_type`; empty without an alert, and for a recovery that should do nothing."""
    if alert.action is AlertAction.CLOSE and not alert.message.test:
        return {"resolve": "resolve", "acknowledge": "acknowledge", "nothing": ""}[config.on_recovery]
    return EVENT_TYPES.get(alert.action, "")


def _request(config: Pagertree, alert: Alert) -> ProviderRequest:
    content, message = compose_text(alert.message, with_link=False), alert.message
    meta = {"delivery_id": message.delivery_id} | ({"acknowledge": message.ack_url} if message.ack_url else {})
    body: dict[str, object] = {
        "event_type": event_type(config, alert),
        "Id": alert.key,
        "Title": content.title,
        "Description": content.text or content.title,
        "Tags": [str(message.event)],
        "Meta": meta,
    }
    return json_request(config.webhook_url, body)
