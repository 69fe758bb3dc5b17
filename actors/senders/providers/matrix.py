"""Matrix: a message to a room. Its transaction id is the delivery, so the server drops repeated attempts."""

from html import escape
from urllib.parse import quote

import msgspec

from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, error_field, json_request, post
from actors.senders.kit.markup import html_markup
from actors.senders.kit.retry_after import WAITS
from actors.senders.kit.severity import EMOJI
from actors.senders.kit.text_limits import truncate, utf8_bytes
from app.domain.text.message_text import compose_text
from schema.channels import Matrix
from schema.message import Message

HTML = html_markup()
TEXT_LIMIT = 16_000  # bytes once escaped; an event of at most 65,536 holds the text twice


async def send(config: Matrix, message: Message, context: SenderContext) -> None:
    """PUT the event."""
    await post(render(config, message), context.http, error_field("error"), waits=WAITS["matrix"])


def render(config: Matrix, message: Message) -> ProviderRequest:
    """Render an `m.text`, since notices make no sound. An empty `m.mentions` keeps words from being mentions."""
    content = compose_text(message, with_link=False)
    text = truncate(content.text, TEXT_LIMIT, lambda part: utf8_bytes(HTML.render(part)))
    link, plain = message.ack_url, f"{EMOJI[content.severity]} {content.title}\n{text}"
    html = f"{EMOJI[content.severity]} <strong>{HTML.render(content.title)}</strong><br>{HTML.render(text)}"
    body: dict[str, object] = {
        "msgtype": "m.text",
        "body": f"{plain}\nAcknowledge: {link}" if link else plain,
        "format": "org.matrix.custom.html",
        "formatted_body": f'{html}<br><a href="{escape(link)}">Acknowledge</a>' if link else html,
        "m.mentions": {},
    }
    request = json_request(_url(config, message), body, {"Authorization": f"Bearer {config.access_token}"})
    return msgspec.structs.replace(request, method="PUT")


def _url(config: Matrix, message: Message) -> str:
    room, transaction = quote(config.room_id, safe=""), quote(message.delivery_id, safe="")
    server = config.server_url.rstrip("/")
    return f"{server}/_matrix/client/v3/rooms/{room}/send/m.room.message/{transaction}"
