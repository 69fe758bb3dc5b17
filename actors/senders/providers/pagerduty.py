"""PagerDuty: alerts by the Events API v2; what is no alarm becomes a change event, which pages nobody."""

from actors.senders.kit.alert_actions import Alert, AlertAction, alerts_for, provider_severity
from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, json_request, post
from actors.senders.kit.retry_after import json_object
from app.domain.text.message_text import MessageText, compose_text, monitor_name_of
from schema.channels import Pagerduty
from schema.message import Message

SEVERITIES = ("critical", "error", "warning", "info")
ACTIONS = {AlertAction.OPEN: "trigger", AlertAction.ACKNOWLEDGE: "acknowledge", AlertAction.CLOSE: "resolve"}
SUMMARY_LIMIT = 1_024  # characters, PagerDuty's


async def send(config: Pagerduty, message: Message, context: SenderContext) -> None:
    """Hand over every event, one after the other: PagerDuty takes them in the order it gets them."""
    for request in render(config, message):
        await post(request, context.http, _explain)


def render(config: Pagerduty, message: Message) -> list[ProviderRequest]:
    """The events; `dedup_key` is the alert's for as long as it lives."""
    return [_request(config, one) for one in alerts_for(message) if event_action(config, one)]


def event_action(config: Pagerduty, alert: Alert) -> str:
    """What PagerDuty is told to do; empty for a recovery that is to change nothing."""
    if alert.action is AlertAction.NONE:
        return "change"
    if alert.action is AlertAction.CLOSE and not alert.message.test:
        return {"resolve": "resolve", "acknowledge": "acknowledge", "nothing": ""}[config.on_recovery]
    return ACTIONS[alert.action]


def _request(config: Pagerduty, alarm: Alert) -> ProviderRequest:
    action, root, words = (
        event_action(config, alarm),
        config.server_url.rstrip("/"),
        compose_text(alarm.message, with_link=False),
    )
    body: dict[str, object] = {"routing_key": config.routing_key}
    if action == "change":
        return json_request(f"{root}/v2/change/enqueue", body | {"payload": _common_payload(alarm, words)})
    body |= {"event_action": action, "dedup_key": alarm.key}
    if action == "trigger":
        body |= {
            "payload": _common_payload(alarm, words) | _severity_payload(config, alarm, words),
            "client": "Watchkeeper",
        }
        body |= {"links": [{"href": alarm.message.ack_url, "text": "Acknowledge"}]} if alarm.message.ack_url else {}
    return json_request(f"{root}/v2/enqueue", body)


def _common_payload(alarm: Alert, words: MessageText) -> dict[str, object]:
    """What an alert and a change have in common."""
    return {
        "summary": words.title[:SUMMARY_LIMIT],
        "source": monitor_name_of(alarm.message) or "Watchkeeper",
        "timestamp": alarm.message.at,
        "custom_details": {
            "text": words.text,
            "event": alarm.message.event,
            "delivery_id": alarm.message.delivery_id,
        },
    }


def _severity_payload(config: Pagerduty, alarm: Alert, words: MessageText) -> dict[str, object]:
    severity = "info" if alarm.message.test else provider_severity(words.severity, config.severity, SEVERITIES)
    rank: dict[str, object] = {"severity": severity, "class": alarm.message.event}
    return rank | ({"component": alarm.message.monitor.type} if alarm.message.monitor else {})


def _explain(body: bytes) -> str:
    """`message` says that something is wrong, `errors` what."""
    answer = json_object(body)
    errors = answer.get("errors")
    said = [answer.get("message"), *(errors if isinstance(errors, list) else [])]
    return "; ".join(one for one in said if isinstance(one, str))
