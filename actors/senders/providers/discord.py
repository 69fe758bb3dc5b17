"""Discord: an embed sent to a webhook."""

import re
from datetime import UTC

from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, error_field, json_request, post
from actors.senders.kit.retry_after import WAITS
from actors.senders.kit.severity import COLOURS
from actors.senders.kit.text_limits import truncate
from app.domain.parsing.web_url import with_query
from app.domain.text.message_text import compose_text
from schema.channels import Discord
from schema.message import Message

TITLE_LIMIT, TEXT_LIMIT = 256, 3_500  # characters once escaped; the rest of a description's 4,096 is for the link
_ANY_VERSION = re.compile(r"^([^:]+://[^/?#]+/api)(?:/v\d+)?(?=/webhooks/)")
VERSION = "v10"  # addresses are handed out without one, and then an older version responds, with other units
_MARKUP = re.compile(r"([\\*_~`|>#\[\]()<@])")


async def send(config: Discord, message: Message, context: SenderContext) -> None:
    """POST the embed."""
    await post(render(config, message), context.http, error_field("message"), waits=WAITS["discord"])


def render(config: Discord, message: Message) -> ProviderRequest:
    """Render one embed that mentions nobody. `wait=true`: the response comes once the message is stored."""
    content = compose_text(message, with_link=False)
    link = f"\n[Acknowledge]({message.ack_url})" if message.ack_url else ""
    body: dict[str, object] = {
        "embeds": [
            {
                "title": escape_markup(truncate(content.title, TITLE_LIMIT, _cost)),
                "description": escape_markup(truncate(content.text, TEXT_LIMIT, _cost)) + link,
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
    """Escape Discord's markup."""
    return _MARKUP.sub(r"\\\1", text)


def _cost(text: str) -> int:
    return len(escape_markup(text))
