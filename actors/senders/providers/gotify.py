"""Gotify: a push message by an application of the server."""

from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, error_field, json_request, post
from actors.senders.kit.severity import is_urgent
from app.domain.text.message_text import compose_text
from schema.channels import Gotify
from schema.message import Message

CALM_PRIORITY = 3  # shown without a sound: a recovery need not wake anybody


async def send(config: Gotify, message: Message, context: SenderContext) -> None:
    """Create the message."""
    await post(render(config, message), context.http, error_field("errorDescription"))


def render(config: Gotify, message: Message) -> ProviderRequest:
    """Render the message as plain text, whatever the application's default; a tap acknowledges."""
    content = compose_text(message)
    extras: dict[str, object] = {"client::display": {"contentType": "text/plain"}}
    extras |= {"client::notification": {"click": {"url": message.ack_url}}} if message.ack_url else {}
    body: dict[str, object] = {
        "title": content.title,
        "message": content.text,
        "priority": config.priority if is_urgent(content.severity) else min(config.priority, CALM_PRIORITY),
        "extras": extras,
    }
    return json_request(f"{config.server_url.rstrip('/')}/message", body, {"X-Gotify-Key": config.app_token})
