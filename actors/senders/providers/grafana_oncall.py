"""Grafana OnCall: alerts through an integration of the kind Formatted Webhook."""

from actors.senders.kit.alert_actions import Alarm, Deed, alarms_of
from actors.senders.kit.context import Tools
from actors.senders.kit.http import Request, json_request, post
from actors.senders.kit.retry_after import json_of
from app.domain.text.message_text import words_of
from schema.channels import GrafanaOncall
from schema.message import Message


async def send(config: GrafanaOncall, message: Message, tools: Tools) -> None:
    """Hand over every alert, one after the other."""
    for request in render(config, message):
        await post(request, tools.http, _explain)


def render(config: GrafanaOncall, message: Message) -> list[Request]:
    """The alerts: `alert_uid` groups them, `ok` resolves the group. It knows no acknowledging from outside."""
    return [_request(config, one) for one in alarms_of(message) if one.deed in (Deed.OPEN, Deed.CLOSE)]


def _request(config: GrafanaOncall, alarm: Alarm) -> Request:
    words = words_of(alarm.message, with_link=False)
    body: dict[str, object] = {
        "alert_uid": alarm.key,
        "title": words.title,
        "state": "alerting" if alarm.deed is Deed.OPEN else "ok",
        "message": words.text,
    }
    body |= {"link_to_upstream_details": alarm.message.ack_url} if alarm.message.ack_url else {}
    return json_request(config.webhook_url, body)


def _explain(body: bytes) -> str:
    """OnCall says `detail`, the gateway before it `message`."""
    answer = json_of(body)
    return next((said for name in ("detail", "message") if isinstance(said := answer.get(name), str)), "")
