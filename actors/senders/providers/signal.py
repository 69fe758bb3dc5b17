"""Signal: a message through a signal-cli REST API, which answers 400 to whatever went wrong."""

import re
from http import HTTPStatus

from actors.senders.kit.context import Tools
from actors.senders.kit.http import Request, Verdict, by_status, field_of, json_request, post
from actors.senders.kit.severity import EMOJI
from actors.senders.kit.text_limits import fitted_to_link
from app.domain.text.message_text import words_of
from schema.channels import Signal
from schema.message import Message

TEXT_LIMIT = 4_000  # characters: what is longer, people would have to open
_said = field_of("error")
_HOPELESS = re.compile(
    r"^(couldn't process|please |invalid (recipient|group)|signal messenger|a signal message|more than one)"
    r"|not registered|unregistered|does not exist",
    re.IGNORECASE,
)


async def send(config: Signal, message: Message, tools: Tools) -> None:
    """Send to all recipients in one request."""
    await post(render(config, message), tools.http, _said, _judge)


def render(config: Signal, message: Message) -> Request:
    """Plain text: `normal` says so to a server whose default is another one."""
    words = words_of(message)
    body = {
        "message": fitted_to_link(f"{EMOJI[words.mood]} {words.title}\n{words.text}", message.ack_url, TEXT_LIMIT),
        "number": config.number,
        "recipients": config.recipients,
        "text_mode": "normal",
    }
    return json_request(f"{config.server_url.rstrip('/')}/v2/send", body)


def _judge(status: int, body: bytes) -> Verdict:
    """A 400 may be a network that is away for a moment; only its words tell."""
    if status != HTTPStatus.BAD_REQUEST:
        return by_status(status)
    return Verdict.NEVER if _HOPELESS.search(_said(body)) else Verdict.LATER
