"""Discord: an embed sent to a webhook."""

import re
from datetime import UTC

from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, error_field, json_request, post
from actors.senders.kit.markup import Markup, angle_link, escape_list_marks
from actors.senders.kit.retry_after import WAITS
from actors.senders.kit.severity import COLOURS, EMOJI
from actors.senders.kit.text_limits import truncate, utf16_units
from app.domain.parsing.web_url import with_query
from app.domain.text.message_text import compose_text
from schema.channels import Discord
from schema.message import Message

CONTENT_LIMIT, DESCRIPTION_LIMIT = 2_000, 4_096  # Discord's, in characters once escaped; UTF-16 units are no fewer
_ANY_VERSION = re.compile(r"^([^:]+://[^/?#]+/api)(?:/v\d+)?(?=/webhooks/)")
VERSION = "v10"  # addresses are handed out without one, and then an older version responds, with other units
_MARKUP = re.compile(r"([\\*_~`|>#\[\]()<@])")


async def send(config: Discord, message: Message, context: SenderContext) -> None:
    """POST the embed."""
    await post(render(config, message), context.http, error_field("message"), waits=WAITS["discord"])


def render(config: Discord, message: Message) -> ProviderRequest:
    """Render the title as the content, which notifications show, and the text as an embed. Nobody is mentioned.

    `wait=true`: the response comes once the message is stored.
    """
    content = compose_text(message, with_link=False)
    link = f"\n[Acknowledge]({message.ack_url})" if message.ack_url else ""
    text = truncate(content.text, DESCRIPTION_LIMIT - utf16_units(link), _cost)
    body: dict[str, object] = {
        "content": MARKUP.render(truncate(f"{EMOJI[content.severity]} {content.title}", CONTENT_LIMIT, _cost)),
        "embeds": [
            {
                "description": MARKUP.render(text) + link,
                "color": COLOURS[content.severity],
                "timestamp": message.at.astimezone(UTC),
            }
        ],
        "allowed_mentions": {"parse": []},
    }
    body |= {"username": config.username} if config.username else {}
    url = _ANY_VERSION.sub(rf"\1/{VERSION}", config.webhook_url.strip())
    return json_request(with_query(url, {"wait": "true"}), body)


def escape_markup(text: str) -> str:
    """Escape Discord's markup in words."""
    return escape_list_marks(_MARKUP.sub(r"\\\1", text))


def _cost(text: str) -> int:
    return utf16_units(MARKUP.render(text))


MARKUP = Markup(escape_markup, angle_link)
