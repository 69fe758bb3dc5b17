"""Telegram: a message from a bot. Its token is part of the address, which therefore never appears anywhere."""

from html import escape
from urllib.parse import quote

from actors.senders.post import Request, field_of, json_request, post
from actors.senders.tools import Tools
from app.domain.words import Mood, words_of
from schema.channels import Telegram
from schema.notices import Message

EMOJI = {Mood.BAD: "🔴", Mood.GOOD: "🟢", Mood.WARNING: "🟡", Mood.NEUTRAL: "🔵"}


async def send(config: Telegram, message: Message, tools: Tools) -> None:
    """Call the bot API's `sendMessage`."""
    await post(render(config, message), tools.http, field_of("description"))


def render(config: Telegram, message: Message) -> Request:
    """The call; everything that came from outside is escaped."""
    words = words_of(message)
    body: dict[str, object] = {
        "chat_id": config.chat_id,
        "text": f"{EMOJI[words.mood]} <b>{escape(words.title)}</b>\n{escape(words.text)}{_link(message)}",
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
        "disable_notification": config.silent,
        "protect_content": config.protect_content,
    }
    body |= {} if config.message_thread_id is None else {"message_thread_id": config.message_thread_id}
    return json_request(f"{config.server_url.rstrip('/')}/bot{quote(config.bot_token, safe=':')}/sendMessage", body)


def _link(message: Message) -> str:
    """A link, no button: Telegram refuses a message whole when a button leads to a name it can't look up."""
    return f'\n<a href="{escape(message.ack_url)}">Acknowledge</a>' if message.ack_url else ""
