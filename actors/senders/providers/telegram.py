"""Telegram: a message from a bot. Its token is part of the address, which therefore never appears anywhere."""

from html import escape
from urllib.parse import quote

from actors.senders.kit.context import Tools
from actors.senders.kit.http import Request, field_of, json_request, post
from actors.senders.kit.severity import EMOJI
from actors.senders.kit.text_limits import fitted_to_link, utf16
from app.domain.text.message_text import words_of
from schema.channels import Telegram
from schema.message import Message

TEXT_LIMIT = 3_800  # UTF-16 units of the 4,096 that Telegram takes with the title


async def send(config: Telegram, message: Message, tools: Tools) -> None:
    """Call the bot API's `sendMessage`."""
    await post(render(config, message), tools.http, field_of("description"))


def render(config: Telegram, message: Message) -> Request:
    """The call; everything that came from outside is escaped."""
    words = words_of(message)
    text = fitted_to_link(words.text, message.ack_url, TEXT_LIMIT, utf16)
    body: dict[str, object] = {
        "chat_id": config.chat_id,
        "text": f"{EMOJI[words.mood]} <b>{escape(words.title)}</b>\n{escape(text)}",
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
        "disable_notification": config.silent,
        "protect_content": config.protect_content,
    }
    body |= {} if config.message_thread_id is None else {"message_thread_id": config.message_thread_id}
    return json_request(f"{config.server_url.rstrip('/')}/bot{quote(config.bot_token, safe=':')}/sendMessage", body)
