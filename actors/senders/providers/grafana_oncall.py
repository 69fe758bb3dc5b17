"""Grafana OnCall: alerts through an integration of the kind Formatted Webhook."""

from actors.senders.kit.alert_actions import Alert, AlertAction, alerts_for
from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, json_request, post
from actors.senders.kit.retry_after import json_object
from app.domain.text.message_text import compose_text
from schema.channels import GrafanaOncall
from schema.message import Message


async def send(config: GrafanaOncall, message: Message, context: SenderContext) -> None:
    """Hand over every alert, one after the other."""
    for request in render(config, message):
        await post(request, context.http, _explain)


def render(config: GrafanaOncall, message: Message) -> list[ProviderRequest]:
    """The alerts: `alert_uid` groups them, `ok` resolves the group. It knows no acknowledging from outside."""
    return [_request(config, one) for one in alerts_for(message) if one.action in (AlertAction.OPEN, AlertAction.CLOSE)]


def _request(config: GrafanaOncall, alarm: Alert) -> ProviderRequest:
    words = compose_text(alarm.message, with_link=False)
    body: dict[str, object] = {
        "alert_uid": alarm.key,
        "title": words.title,
        "state": "alerting" if alarm.action is AlertAction.OPEN else "ok",
        "message": words.text,
    }
    body |= {"link_to_upstream_details": alarm.message.ack_url} if alarm.message.ack_url else {}
    return json_request(config.webhook_url, body)


def _explain(body: bytes) -> str:
    """OnCall says `detail`, the gateway before it `message`."""
    answer = json_object(body)
    return next((said for name in ("detail", "message") if isinstance(said := answer.get(name), str)), "")
