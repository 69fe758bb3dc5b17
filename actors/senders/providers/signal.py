"""Signal: a message by a signal-cli REST API, which responds 400 to every error."""

import re
from http import HTTPStatus

from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, ResponseMeaning, error_field, interpret_status, json_request, post
from actors.senders.kit.retry_after import WAITS
from actors.senders.kit.severity import EMOJI
from actors.senders.kit.text_limits import truncate_keeping_link
from app.domain.text.message_text import compose_text
from schema.channels import Signal
from schema.message import Message

TEXT_LIMIT = 4_000  # characters; readers must expand a longer text
_error_text = error_field("error")
_PERMANENT_ERRORS = re.compile(
    r"^(couldn't process|please |invalid (recipient|group)|signal messenger|a signal message|more than one)"
    r"|not registered|unregistered|does not exist",
    re.IGNORECASE,
)


async def send(config: Signal, message: Message, context: SenderContext) -> None:
    """Send to all recipients in one request."""
    await post(render(config, message), context.http, _error_text, _interpret, waits=WAITS["signal"])


def render(config: Signal, message: Message) -> ProviderRequest:
    """Render plain text; `normal` overrides the server's default."""
    content = compose_text(message)
    body = {
        "message": truncate_keeping_link(
            f"{EMOJI[content.severity]} {content.title}\n{content.text}", message.ack_url, TEXT_LIMIT
        ),
        "number": config.number,
        "recipients": config.recipients,
        "text_mode": "normal",
    }
    return json_request(f"{config.server_url.rstrip('/')}/v2/send", body)


def _interpret(status: int, body: bytes) -> ResponseMeaning:
    """A 400 may be a temporary network error; only its text tells."""
    if status != HTTPStatus.BAD_REQUEST:
        return interpret_status(status)
    return ResponseMeaning.REJECTED if _PERMANENT_ERRORS.search(_error_text(body)) else ResponseMeaning.RETRY
