"""WhatsApp: a message by a WAHA server."""

import re

from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, error_field, json_request, post
from actors.senders.kit.severity import EMOJI
from actors.senders.kit.text_limits import truncate_keeping_link
from app.domain.text.message_text import compose_text
from schema.channels import Whatsapp
from schema.message import Message

TEXT_LIMIT = 4_096  # characters; accepted by every WhatsApp engine of WAHA
LOOKALIKES = {"*": "∗", "_": "＿", "~": "∼", "`": "ˋ"}  # noqa: RUF001  # WhatsApp has no escapes; these look alike
_MARKUP = re.compile(r"[*~`]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


async def send(config: Whatsapp, message: Message, context: SenderContext) -> None:
    """POST to `sendText`."""
    await post(render(config, message), context.http, _explain)


def render(config: Whatsapp, message: Message) -> ProviderRequest:
    """Render the request, without link previews."""
    content = compose_text(message)
    title, text = escape_markup(content.title), escape_markup(content.text)
    body: dict[str, object] = {
        "session": config.session,
        "chatId": config.chat_id,
        "text": truncate_keeping_link(f"{EMOJI[content.severity]} *{title}*\n{text}", message.ack_url, TEXT_LIMIT),
        "linkPreview": False,
    }
    headers = {"X-Api-Key": config.api_key} if config.api_key else {}
    return json_request(f"{config.server_url.rstrip('/')}/api/sendText", body, headers)


def escape_markup(text: str) -> str:
    """Replace WhatsApp's markup by lookalikes."""
    return _MARKUP.sub(lambda match: LOOKALIKES[match.group()], text)


def _explain(body: bytes) -> str:
    return error_field("message")(body) or error_field("error")(body)
