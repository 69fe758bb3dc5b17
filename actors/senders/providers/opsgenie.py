"""Opsgenie: alerts by the Alert API, under an alias."""

from urllib.parse import quote

from actors.senders.kit.alert_actions import Alarm, Deed, alarms_of, severity_of
from actors.senders.kit.context import Tools
from actors.senders.kit.http import Request, field_of, json_request, post
from actors.senders.kit.text_limits import fitted
from app.domain.text.message_text import name_of, words_of
from schema.channels import Opsgenie
from schema.message import Message

REGIONS = {"us": "https://api.opsgenie.com", "eu": "https://api.eu.opsgenie.com"}
PRIORITIES = ("P1", "P2", "P3", "P4", "P5")
MESSAGE_LIMIT, NOTE_LIMIT = 130, 15_000  # characters, Opsgenie's
CALLS = {Deed.ACKNOWLEDGE: "acknowledge", Deed.CLOSE: "close"}


async def send(config: Opsgenie, message: Message, tools: Tools) -> None:
    """Make every call, one after the other."""
    for request in render(config, message):
        await post(request, tools.http, field_of("message"))


def render(config: Opsgenie, message: Message) -> list[Request]:
    """The calls. An alias that is open counts up instead of alerting again; news are nobody's alarm."""
    return [_request(config, one) for one in alarms_of(message) if one.deed is not Deed.NEWS]


def _request(config: Opsgenie, alarm: Alarm) -> Request:
    root = f"{(config.server_url or REGIONS[config.region]).rstrip('/')}/v2/alerts"
    headers = {"Authorization": f"GenieKey {config.api_key}"}
    if alarm.deed is Deed.OPEN:
        return json_request(root, _alert(config, alarm), headers)
    url = f"{root}/{quote(alarm.key, safe='')}/{CALLS[alarm.deed]}?identifierType=alias"
    words = words_of(alarm.message, with_link=False)
    note = fitted(f"{words.title}\n{words.text}", NOTE_LIMIT)
    return json_request(url, {"source": "Watchkeeper", "note": note}, headers)


def _alert(config: Opsgenie, alarm: Alarm) -> dict[str, object]:
    words, message = words_of(alarm.message, with_link=False), alarm.message
    details = {"event": str(message.event), "delivery_id": message.delivery_id}
    details |= {"acknowledge": message.ack_url} if message.ack_url else {}
    return {
        "message": fitted(words.title, MESSAGE_LIMIT),
        "alias": alarm.key,
        "description": fitted(f"{words.title}\n{words.text}", NOTE_LIMIT),
        "priority": PRIORITIES[-1] if message.test else severity_of(words.mood, config.priority, PRIORITIES),
        "source": "Watchkeeper",
        "entity": name_of(message) or "Watchkeeper",
        "tags": [str(message.event)],
        "details": details,
    }
