"""WhatsApp: a message by a WAHA server."""

from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, error_field, json_request, post
from actors.senders.kit.markup import Markup, with_lookalikes
from actors.senders.kit.severity import EMOJI
from actors.senders.kit.text_limits import truncate_keeping_link, utf16_units
from app.domain.parsing.addresses import has_address
from app.domain.text.message_text import compose_text
from schema.channels import Whatsapp
from schema.message import Message

TEXT_LIMIT = 4_096  # UTF-16 units, as WAHA's engines count; every one of them accepts as many
MARKUP = Markup(with_lookalikes)  # WhatsApp has no escapes, and finds links itself


async def send(config: Whatsapp, message: Message, context: SenderContext) -> None:
    """POST to `sendText`."""
    await post(render(config, message), context.http, _explain)


def render(config: Whatsapp, message: Message) -> ProviderRequest:
    """Render the request, without link previews. A title with an address is not bold: the mark would join the link."""
    content = compose_text(message)
    title, text = MARKUP.render(content.title), MARKUP.render(content.text)
    head = f"{EMOJI[content.severity]} {title if has_address(content.title) else f'*{title}*'}"
    body: dict[str, object] = {
        "session": config.session,
        "chatId": config.chat_id,
        "text": truncate_keeping_link(f"{head}\n{text}", message.ack_url, TEXT_LIMIT, utf16_units),
        "linkPreview": False,
    }
    headers = {"X-Api-Key": config.api_key} if config.api_key else {}
    return json_request(f"{config.server_url.rstrip('/')}/api/sendText", body, headers)


def _explain(body: bytes) -> str:
    return error_field("message")(body) or error_field("error")(body)
