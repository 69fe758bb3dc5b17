"""PagerTree: alerts through a webhook integration."""

from actors.senders.kit.alert_actions import Alarm, Deed, alarms_of
from actors.senders.kit.context import Tools
from actors.senders.kit.http import Request, field_of, json_request, post
from app.domain.text.message_text import words_of
from schema.channels import Pagertree
from schema.message import Message

TYPES = {Deed.OPEN: "create", Deed.ACKNOWLEDGE: "acknowledge", Deed.CLOSE: "resolve"}


async def send(config: Pagertree, message: Message, tools: Tools) -> None:
    """Hand over every event, one after the other."""
    for request in render(config, message):
        await post(request, tools.http, field_of("message"))


def render(config: Pagertree, message: Message) -> list[Request]:
    """The events; an `Id` that is open is not created again."""
    return [_request(config, one) for one in alarms_of(message) if type_of(config, one)]


def type_of(config: Pagertree, alarm: Alarm) -> str:
    """What PagerTree is told to do; empty for news, and for a recovery that is to change nothing."""
    if alarm.deed is Deed.CLOSE and not alarm.message.test:
        return {"resolve": "resolve", "acknowledge": "acknowledge", "nothing": ""}[config.on_recovery]
    return TYPES.get(alarm.deed, "")


def _request(config: Pagertree, alarm: Alarm) -> Request:
    words, message = words_of(alarm.message, with_link=False), alarm.message
    meta = {"delivery_id": message.delivery_id} | ({"acknowledge": message.ack_url} if message.ack_url else {})
    body: dict[str, object] = {
        "event_type": type_of(config, alarm),
        "Id": alarm.key,
        "Title": words.title,
        "Description": words.text or words.title,
        "Tags": [str(message.event)],
        "Meta": meta,
    }
    return json_request(config.webhook_url, body)
