"""Pushover: a push message; with emergency priority it repeats until acknowledged."""

from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, json_request, post
from actors.senders.kit.retry_after import WAITS, json_object
from actors.senders.kit.severity import is_urgent
from actors.senders.kit.text_limits import truncate
from app.domain.text.message_text import Severity, compose_text
from schema.channels import Pushover
from schema.message import Message

TITLE_LIMIT, TEXT_LIMIT, URL_LIMIT = 250, 1_024, 512  # characters; Pushover's limits
CALM_PRIORITY, EMERGENCY = 0, 2


async def send(config: Pushover, message: Message, context: SenderContext) -> None:
    """Push the message."""
    await post(render(config, message), context.http, _explain, waits=WAITS["pushover"])


def render(config: Pushover, message: Message) -> ProviderRequest:
    """Render the message as plain text, with the time of the event instead of its arrival."""
    linked = 0 < len(message.ack_url) <= URL_LIMIT
    content = compose_text(message, with_link=not linked)
    body: dict[str, object] = {
        "token": config.app_token,
        "user": config.user_key,
        "title": truncate(content.title, TITLE_LIMIT),
        "message": truncate(content.text, TEXT_LIMIT),
        "timestamp": int(message.at.timestamp()),
    }
    body |= _urgency(config, content.severity)
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


def _explain(body: bytes) -> str:
    """Pushover lists its errors."""
    errors = json_object(body).get("errors")
    return "; ".join(one for one in errors if isinstance(one, str)) if isinstance(errors, list) else ""
