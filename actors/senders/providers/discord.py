"""Discord: an embed to a webhook."""

import re
from datetime import UTC

from actors.senders.kit.context import Tools
from actors.senders.kit.http import Request, field_of, json_request, post
from actors.senders.kit.severity import COLOURS
from actors.senders.kit.text_limits import fitted
from app.domain.parsing.web_url import with_query
from app.domain.text.message_text import words_of
from schema.channels import Discord
from schema.message import Message

TITLE_LIMIT, TEXT_LIMIT = 256, 3_500  # characters once escaped; of a description's 4,096 a link needs some
_MARKUP = re.compile(r"([\\*_~`|>#\[\]()<@])")


async def send(config: Discord, message: Message, tools: Tools) -> None:
    """POST the embed."""
    await post(render(config, message), tools.http, field_of("message"))


def render(config: Discord, message: Message) -> Request:
    """One embed that mentions nobody. `wait=true`: the answer comes when the message is stored, not just queued."""
    words = words_of(message, with_link=False)
    plain = words.text
    link = f"\n[Acknowledge]({message.ack_url})" if message.ack_url else ""
    body: dict[str, object] = {
        "embeds": [
            {
                "title": escaped(fitted(words.title, TITLE_LIMIT, _cost)),
                "description": escaped(fitted(plain, TEXT_LIMIT, _cost)) + link,
                "color": COLOURS[words.mood],
                "timestamp": message.at.astimezone(UTC),
            }
        ],
        "allowed_mentions": {"parse": []},
    }
    body |= {"username": config.username} if config.username else {}
    return json_request(with_query(config.webhook_url, {"wait": "true"}), body)


def escaped(text: str) -> str:
    """The text with Discord's markup switched off."""
    return _MARKUP.sub(r"\\\1", text)


def _cost(text: str) -> int:
    return len(escaped(text))
