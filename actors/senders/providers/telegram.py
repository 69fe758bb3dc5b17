"""Telegram: a message from a bot. Its token is part of the URL, which therefore is never logged."""

from html import escape
from urllib.parse import quote

from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, error_field, json_request, post
from actors.senders.kit.retry_after import WAITS
from actors.senders.kit.severity import EMOJI
from actors.senders.kit.text_limits import truncate_keeping_link, utf16_units
from app.domain.text.message_text import compose_text
from schema.channels import Telegram
from schema.message import Message

TEXT_LIMIT = 3_800  # UTF-16 units; the rest of Telegram's 4,096 is for the title


async def send(config: Telegram, message: Message, context: SenderContext) -> None:
    """Call the bot API's `sendMessage`."""
    await post(render(config, message), context.http, error_field("description"), waits=WAITS["telegram"])


def render(config: Telegram, message: Message) -> ProviderRequest:
    """Render the request; all content is escaped."""
    content = compose_text(message)
    text = truncate_keeping_link(content.text, message.ack_url, TEXT_LIMIT, utf16_units)
    body: dict[str, object] = {
        "chat_id": config.chat_id,
        "text": f"{EMOJI[content.severity]} <b>{escape(content.title)}</b>\n{escape(text)}",
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
        "disable_notification": config.silent,
        "protect_content": config.protect_content,
    }
    body |= {} if config.message_thread_id is None else {"message_thread_id": config.message_thread_id}
    return json_request(f"{config.server_url.rstrip('/')}/bot{quote(config.bot_token, safe=':')}/sendMessage", body)
