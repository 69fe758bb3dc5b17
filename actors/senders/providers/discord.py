"""Discord: an embed to a webhook."""

import re
from datetime import UTC

from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, error_field, json_request, post
from actors.senders.kit.severity import COLOURS
from actors.senders.kit.text_limits import truncate
from app.domain.parsing.web_url import with_query
from app.domain.text.message_text import compose_text
from schema.channels import Discord
from schema.message import Message

TITLE_LIMIT, TEXT_LIMIT = 256, 3_500  # characters once escaped; of a description's 4,096 a link needs some
_MARKUP = re.compile(r"([\\*_~`|>#\[\]()<@])")


async def send(config: Discord, message: Message, context: SenderContext) -> None:
    """POST the embed."""
    await post(render(config, message), context.http, error_field("message"))


def render(config: Discord, message: Message) -> ProviderRequest:
    """One embed that mentions nobody. `wait=true`: the answer comes when the message is stored, not just queued."""
    words = compose_text(message, with_link=False)
    plain = words.text
    link = f"\n[Acknowledge]({message.ack_url})" if message.ack_url else ""
    body: dict[str, object] = {
        "embeds": [
            {
                "title": escape_markup(truncate(words.title, TITLE_LIMIT, _cost)),
                "description": escape_markup(truncate(plain, TEXT_LIMIT, _cost)) + link,
                "color": COLOURS[words.severity],
                "timestamp": message.at.astimezone(UTC),
            }
        ],
        "allowed_mentions": {"parse": []},
    }
    body |= {"username": config.username} if config.username else {}
    return json_request(with_query(config.webhook_url, {"wait": "true"}), body)


def escape_markup(text: str) -> str:
    """The text with Discord's markup switched off."""
    return _MARKUP.sub(r"\\\1", text)


def _cost(text: str) -> int:
    return len(escape_markup(text))
