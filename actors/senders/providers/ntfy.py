"""ntfy: a push message, published as JSON to the server's root."""

import msgspec

from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, error_field, json_request, login_headers, post
from actors.senders.kit.text_limits import truncate, utf8_bytes
from app.domain.text.message_text import Severity, compose_text
from schema.channels import Ntfy
from schema.message import Message

TAGS = {
    Severity.CRITICAL: "red_circle",
    Severity.RESOLVED: "green_circle",
    Severity.WARNING: "yellow_circle",
    Severity.INFO: "information_source",
}
CALM_PRIORITY = 3  # ntfy's default: a recovery need not wake anybody
TEXT_LIMIT = 4_096  # bytes; ntfy turns a longer text into an attachment
BODY_LIMIT = 8_192  # bytes of the whole JSON body: ntfy reads no more than twice the limit of a text


async def send(config: Ntfy, message: Message, context: SenderContext) -> None:
    """Publish the message."""
    await post(render(config, message), context.http, error_field("error"))


def render(config: Ntfy, message: Message) -> ProviderRequest:
    """Render the message. `sequence_id` is the delivery: a second attempt updates the first without a new alert."""
    content = compose_text(message, with_link=False)
    urgent = content.severity in (Severity.CRITICAL, Severity.WARNING)
    body: dict[str, object] = {
        "topic": config.topic,
        "title": content.title,
        "message": "",
        "priority": config.priority if urgent else min(config.priority, CALM_PRIORITY),
        "tags": [TAGS[content.severity]],
        "sequence_id": message.delivery_id,
    }
    button = {"action": "view", "label": "Acknowledge", "url": message.ack_url, "clear": True}
    body |= {"actions": [button]} if message.ack_url else {}
    body["message"] = _fitting_text(content.text, body)
    login = login_headers(config.username, config.password, config.token)
    return json_request(f"{config.server_url.rstrip('/')}/", body, login)


def _fitting_text(text: str, others: dict[str, object]) -> str:
    """As much of the text as both limits allow beside the other fields."""
    short = truncate(text, TEXT_LIMIT, utf8_bytes)
    return truncate(short, BODY_LIMIT, lambda part: len(msgspec.json.encode(others | {"message": part})))
