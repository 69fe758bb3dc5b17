"""Pushover: a push message; with emergency priority it repeats until it is acknowledged, or its outage is over.

Source: pushover.net/api/receipts: a message's tags, and the cancellation of all messages with a tag.
"""

from urllib.parse import quote

from actors.senders.kit.alert_actions import AlertAction, alerts_for
from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, ResponseMeaning, interpret_status, json_request, post
from actors.senders.kit.retry_after import WAITS, json_object
from actors.senders.kit.severity import is_urgent
from actors.senders.kit.text_limits import truncate, truncate_keeping_link
from app.domain.alerting import alarms
from app.domain.text.message_text import Severity, compose_text
from schema.channels import Pushover
from schema.message import Message

TITLE_LIMIT, TEXT_LIMIT, URL_LIMIT = 250, 1_024, 512  # characters of up to four bytes; Pushover's limits
CALM_PRIORITY, EMERGENCY = 0, alarms.EMERGENCY_PRIORITY
ENDING = (AlertAction.CLOSE, AlertAction.ACKNOWLEDGE)


async def send(config: Pushover, message: Message, context: SenderContext) -> None:
    """Stop the messages that ring for what is over, then push the message.

    In this order: both may be tried again, and a message would be shown twice.
    """
    for request in render_cancellations(config, message):
        await post(request, context.http, _explain, _ignore_rejection, WAITS["pushover"])
    if not all(one.silent for one in (message, *message.merged)):
        await post(render(config, message), context.http, _explain, waits=WAITS["pushover"])


def render_cancellations(config: Pushover, message: Message) -> list[ProviderRequest]:
    """Render a request for each alert that is closed or acknowledged; none without emergency priority."""
    if config.priority != EMERGENCY or message.test:
        return []
    keys = dict.fromkeys(alert.key for alert in alerts_for(message) if alert.action in ENDING)
    root = f"{config.server_url.rstrip('/')}/1/receipts/cancel_by_tag"
    return [json_request(f"{root}/{quote(key, safe='')}.json", {"token": config.app_token}) for key in keys]


def render(config: Pushover, message: Message) -> ProviderRequest:
    """Render the message as plain text, with the time of the event instead of its arrival."""
    linked = 0 < len(message.ack_url) <= URL_LIMIT
    content = compose_text(message, with_link=not linked)
    body: dict[str, object] = {
        "token": config.app_token,
        "user": config.user_key,
        "title": truncate(content.title, TITLE_LIMIT),
        "message": truncate_keeping_link(content.text, message.ack_url, TEXT_LIMIT),
        "timestamp": int(message.at.timestamp()),
    }
    body |= _urgency(config, content.severity)
    body |= _tag(message) if body["priority"] == EMERGENCY else {}
    body |= {"device": config.device} if config.device else {}
    body |= {"url": message.ack_url, "url_title": "Acknowledge"} if linked else {}
    return json_request(f"{config.server_url.rstrip('/')}/1/messages.json", body)


def _urgency(config: Pushover, severity: Severity) -> dict[str, object]:
    """Priority and sound. A recovery never gets emergency priority."""
    priority = config.priority if is_urgent(severity) else min(config.priority, CALM_PRIORITY)
    sound = config.sound_up if severity is Severity.RESOLVED and config.sound_up else config.sound
    urgency: dict[str, object] = {"priority": priority}
    urgency |= {"retry": config.retry, "expire": config.expire} if priority == EMERGENCY else {}
    return urgency | ({"sound": sound} if sound else {})


def _tag(message: Message) -> dict[str, object]:
    """The tag that stops a ringing message. A digest of several alerts has none: one recovery would end them all."""
    keys = {alert.key for alert in alerts_for(message) if alert.action is AlertAction.OPEN}
    return {"tags": keys.pop()} if len(keys) == 1 else {}


def _ignore_rejection(status: int, body: bytes) -> ResponseMeaning:
    """A cancellation that is rejected must not keep the message back; one that fails for now is tried again."""
    meaning = interpret_status(status, body)
    return ResponseMeaning.ACCEPTED if meaning is ResponseMeaning.REJECTED else meaning


def _explain(body: bytes) -> str:
    """Pushover lists its errors."""
    errors = json_object(body).get("errors")
    return "; ".join(one for one in errors if isinstance(one, str)) if isinstance(errors, list) else ""
