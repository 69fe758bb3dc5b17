"""PagerDuty: alerts by the Events API v2; what is no alarm becomes a change event, which pages nobody."""

from actors.senders.kit.alert_actions import Alarm, Deed, alarms_of, severity_of
from actors.senders.kit.context import Tools
from actors.senders.kit.http import Request, json_request, post
from actors.senders.kit.retry_after import json_of
from app.domain.text.message_text import Words, name_of, words_of
from schema.channels import Pagerduty
from schema.message import Message

SEVERITIES = ("critical", "error", "warning", "info")
ACTIONS = {Deed.OPEN: "trigger", Deed.ACKNOWLEDGE: "acknowledge", Deed.CLOSE: "resolve"}
SUMMARY_LIMIT = 1_024  # characters, PagerDuty's


async def send(config: Pagerduty, message: Message, tools: Tools) -> None:
    """Hand over every event, one after the other: PagerDuty takes them in the order it gets them."""
    for request in render(config, message):
        await post(request, tools.http, _explain)


def render(config: Pagerduty, message: Message) -> list[Request]:
    """The events; `dedup_key` is the alert's for as long as it lives."""
    return [_request(config, one) for one in alarms_of(message) if action_of(config, one)]


def action_of(config: Pagerduty, alarm: Alarm) -> str:
    """What PagerDuty is told to do; empty for a recovery that is to change nothing."""
    if alarm.deed is Deed.NEWS:
        return "change"
    if alarm.deed is Deed.CLOSE and not alarm.message.test:
        return {"resolve": "resolve", "acknowledge": "acknowledge", "nothing": ""}[config.on_recovery]
    return ACTIONS[alarm.deed]


def _request(config: Pagerduty, alarm: Alarm) -> Request:
    action, root, words = (
        action_of(config, alarm),
        config.server_url.rstrip("/"),
        words_of(alarm.message, with_link=False),
    )
    body: dict[str, object] = {"routing_key": config.routing_key}
    if action == "change":
        return json_request(f"{root}/v2/change/enqueue", body | {"payload": _told(alarm, words)})
    body |= {"event_action": action, "dedup_key": alarm.key}
    if action == "trigger":
        body |= {"payload": _told(alarm, words) | _rank(config, alarm, words), "client": "Watchkeeper"}
        body |= {"links": [{"href": alarm.message.ack_url, "text": "Acknowledge"}]} if alarm.message.ack_url else {}
    return json_request(f"{root}/v2/enqueue", body)


def _told(alarm: Alarm, words: Words) -> dict[str, object]:
    """What an alert and a change have in common."""
    return {
        "summary": words.title[:SUMMARY_LIMIT],
        "source": name_of(alarm.message) or "Watchkeeper",
        "timestamp": alarm.message.at,
        "custom_details": {
            "text": words.text,
            "event": alarm.message.event,
            "delivery_id": alarm.message.delivery_id,
        },
    }


def _rank(config: Pagerduty, alarm: Alarm, words: Words) -> dict[str, object]:
    severity = "info" if alarm.message.test else severity_of(words.mood, config.severity, SEVERITIES)
    rank: dict[str, object] = {"severity": severity, "class": alarm.message.event}
    return rank | ({"component": alarm.message.monitor.type} if alarm.message.monitor else {})


def _explain(body: bytes) -> str:
    """`message` says that something is wrong, `errors` what."""
    answer = json_of(body)
    errors = answer.get("errors")
    said = [answer.get("message"), *(errors if isinstance(errors, list) else [])]
    return "; ".join(one for one in said if isinstance(one, str))
