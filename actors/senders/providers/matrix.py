"""Matrix: a message to a room. Its transaction is the delivery, so the server drops what it has already taken."""

from html import escape
from urllib.parse import quote

import msgspec

from actors.senders.kit.context import Tools
from actors.senders.kit.http import Request, field_of, json_request, post
from actors.senders.kit.severity import EMOJI
from actors.senders.kit.text_limits import fitted, utf8
from app.domain.text.message_text import words_of
from schema.channels import Matrix
from schema.message import Message

TEXT_LIMIT = 16_000  # bytes once escaped; an event, which holds the text twice, may have 65,536


async def send(config: Matrix, message: Message, tools: Tools) -> None:
    """PUT the event."""
    await post(render(config, message), tools.http, field_of("error"))


def render(config: Matrix, message: Message) -> Request:
    """An `m.text`, for notices make no sound; `m.mentions` is there and empty, so that no word in it is a mention."""
    words = words_of(message, with_link=False)
    text = fitted(words.text, TEXT_LIMIT, lambda part: utf8(_html(part)))
    link, plain = message.ack_url, f"{EMOJI[words.mood]} {words.title}\n{text}"
    html = f"{EMOJI[words.mood]} <strong>{escape(words.title)}</strong><br>{_html(text)}"
    body: dict[str, object] = {
        "msgtype": "m.text",
        "body": f"{plain}\nAcknowledge: {link}" if link else plain,
        "format": "org.matrix.custom.html",
        "formatted_body": f'{html}<br><a href="{escape(link)}">Acknowledge</a>' if link else html,
        "m.mentions": {},
    }
    request = json_request(_url(config, message), body, {"Authorization": f"Bearer {config.access_token}"})
    return msgspec.structs.replace(request, method="PUT")


def _html(text: str) -> str:
    return escape(text).replace("\n", "<br>")


def _url(config: Matrix, message: Message) -> str:
    room, transaction = quote(config.room_id, safe=""), quote(message.delivery_id, safe="")
    server = config.server_url.rstrip("/")
    return f"{server}/_matrix/client/v3/rooms/{room}/send/m.room.message/{transaction}"
