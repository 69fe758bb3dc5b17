"""PagerDuty: alerts by the Events API v2. Messages without an alert become change events, which page nobody."""

from actors.senders.kit.alert_actions import Alert, AlertAction, alerts_for, provider_severity
from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, json_request, post
from actors.senders.kit.retry_after import WAITS, json_object
from app.domain.text.message_text import MessageText, compose_text, monitor_name_of
from schema.channels import Pagerduty
from schema.message import Message

SEVERITIES = ("critical", "error", "warning", "info")
ACTIONS = {AlertAction.OPEN: "trigger", AlertAction.ACKNOWLEDGE: "acknowledge", AlertAction.CLOSE: "resolve"}
SUMMARY_LIMIT = 1_024  # characters; PagerDuty's limit


async def send(config: Pagerduty, message: Message, context: SenderContext) -> None:
    """POST every event in order: PagerDuty applies them as received."""
    for request in render(config, message):
        await post(request, context.http, _explain, waits=WAITS["pagerduty"])


def render(config: Pagerduty, message: Message) -> list[ProviderRequest]:
    """Render the events. `dedup_key` stays the same as long as the alert is open."""
    return [_request(config, one) for one in alerts_for(message) if event_action(config, one)]


def event_action(config: Pagerduty, alert: Alert) -> str:
    """The `event_action`; `change` for a change event, empty for a recovery that should do nothing."""
    if alert.action is AlertAction.NONE:
        return "change"
    if alert.action is AlertAction.CLOSE and not alert.message.test:
        return {"resolve": "resolve", "acknowledge": "acknowledge", "nothing": ""}[config.on_recovery]
    return ACTIONS[alert.action]


def _request(config: Pagerduty, alert: Alert) -> ProviderRequest:
    action, root = event_action(config, alert), config.server_url.rstrip("/")
    content = compose_text(alert.message, with_link=False)
    body: dict[str, object] = {"routing_key": config.routing_key}
    if action == "change":
        return json_request(f"{root}/v2/change/enqueue", body | {"payload": _common_payload(alert, content)})
    body |= {"event_action": action, "dedup_key": alert.key}
    if action == "trigger":
        payload = _common_payload(alert, content) | _severity_payload(config, alert, content)
        body |= {"payload": payload, "client": "Watchkeeper"}
        body |= {"links": [{"href": alert.message.ack_url, "text": "Acknowledge"}]} if alert.message.ack_url else {}
    return json_request(f"{root}/v2/enqueue", body)


def _common_payload(alert: Alert, content: MessageText) -> dict[str, object]:
    """Payload fields that alerts and change events share."""
    return {
        "summary": content.title[:SUMMARY_LIMIT],
        "source": monitor_name_of(alert.message) or "Watchkeeper",
        "timestamp": alert.message.at,
        "custom_details": {
            "text": content.text,
            "event": alert.message.event,
            "delivery_id": alert.message.delivery_id,
        },
    }


def _severity_payload(config: Pagerduty, alert: Alert, content: MessageText) -> dict[str, object]:
    severity = "info" if alert.message.test else provider_severity(content.severity, config.severity, SEVERITIES)
    payload: dict[str, object] = {"severity": severity, "class": alert.message.event}
    return payload | ({"component": alert.message.monitor.type} if alert.message.monitor else {})


def _explain(body: bytes) -> str:
    """`message` names the error, `errors` its causes."""
    error = json_object(body)
    errors = error.get("errors")
    texts = [error.get("message"), *(errors if isinstance(errors, list) else [])]
    return "; ".join(one for one in texts if isinstance(one, str))
