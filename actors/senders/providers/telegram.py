"""Telegram: a message from a bot. Its token is part of the URL, which therefore is never logged."""

from urllib.parse import quote

from msgspec import structs

from actors.senders.kit.context import SenderContext
from actors.senders.kit.errors import DeliveryError
from actors.senders.kit.http import ProviderRequest, error_field, json_request, post
from actors.senders.kit.markup import Markup, html_markup, without_mentions
from actors.senders.kit.retry_after import WAITS, json_object
from actors.senders.kit.severity import EMOJI
from actors.senders.kit.text_limits import truncate_keeping_link, utf16_units
from app.domain.text.message_text import compose_text
from schema.channels import Telegram
from schema.message import Message

MESSAGE_LIMIT = 4_096  # UTF-16 units of title and text without their tags; Telegram's limit
MAX_CHAT_ID = 2**52  # the Bot API's: an id has at most 52 significant bits
HTML = html_markup("\n")
UNMENTIONING = Markup(without_mentions)  # Telegram makes a mention of each @name, whatever the parse mode


async def send(config: Telegram, message: Message, context: SenderContext) -> None:
    """Call the bot API's `sendMessage`. A group that became a supergroup has a new id, which is used and reported."""
    try:
        await post(render(config, message), context.http, error_field("description"), waits=WAITS["telegram"])
    except DeliveryError as error:
        new_id = moved_to(error)
        if new_id in {"", config.chat_id}:
            raise
        moved = structs.replace(config, chat_id=new_id)
        await post(render(moved, message), context.http, error_field("description"), waits=WAITS["telegram"])
        context.report.config_changes["chat_id"] = new_id


def moved_to(error: DeliveryError) -> str:
    """The chat's new id, from the response (Bot API, `ResponseParameters`); empty when there is none."""
    parameters = json_object(error.response.body).get("parameters") if error.response else None
    new_id = parameters.get("migrate_to_chat_id") if isinstance(parameters, dict) else None
    return str(new_id) if type(new_id) is int and abs(new_id) < MAX_CHAT_ID else ""


def render(config: Telegram, message: Message) -> ProviderRequest:
    """Render the request. Links show their address, so that Telegram does not ask before it opens them."""
    content = compose_text(message)
    title = UNMENTIONING.render(content.title)
    left = MESSAGE_LIMIT - utf16_units(f"{EMOJI[content.severity]} {title}\n")
    text = truncate_keeping_link(UNMENTIONING.render(content.text), message.ack_url, left, utf16_units)
    body: dict[str, object] = {
        "chat_id": config.chat_id,
        "text": f"{EMOJI[content.severity]} <b>{HTML.render(title)}</b>\n{HTML.render(text)}",
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
        "disable_notification": config.silent,
        "protect_content": config.protect_content,
    }
    body |= {} if config.message_thread_id is None else {"message_thread_id": config.message_thread_id}
    return json_request(f"{config.server_url.rstrip('/')}/bot{quote(config.bot_token, safe=':')}/sendMessage", body)
