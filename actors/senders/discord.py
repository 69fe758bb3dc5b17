"""Discord: an embed to a webhook."""

import re
from datetime import UTC
from urllib.parse import quote

from yarl import URL

from actors.senders.post import Request, field_of, json_request, post
from actors.senders.tools import Tools
from app.domain.words import Mood, words_of
from schema.channels import Discord
from schema.notices import Message

COLOURS = {Mood.BAD: 0xD9342B, Mood.GOOD: 0x2E9E4F, Mood.WARNING: 0xE0A100, Mood.NEUTRAL: 0x5B6B7B}
TITLE_LIMIT, DESCRIPTION_LIMIT = 256, 4_096  # characters, Discord's
URL_MARKS = "/:?#[]@!$&'*+,;=%~"  # all that an address is made of, but parentheses: these end Discord's links
_MARKUP = re.compile(r"([\\*_~`|>#\[\]()<@])")


async def send(config: Discord, message: Message, tools: Tools) -> None:
    """POST the embed."""
    await post(render(config, message), tools.http, field_of("message"))


def render(config: Discord, message: Message) -> Request:
    """One embed that mentions nobody. `wait=true`: the answer comes when the message is stored, not just queued."""
    words = words_of(message)
    body: dict[str, object] = {
        "embeds": [
            {
                "title": escaped(words.title)[:TITLE_LIMIT],
                "description": _described(words.text, message.ack_url),
                "color": COLOURS[words.mood],
                "timestamp": message.at.astimezone(UTC),
            }
        ],
        "allowed_mentions": {"parse": []},
    }
    body |= {"username": config.username} if config.username else {}
    return json_request(str(URL(config.webhook_url).update_query(wait="true")), body)


def _described(text: str, ack_url: str) -> str:
    link = f"\n[Acknowledge]({quote(ack_url, safe=URL_MARKS)})" if ack_url else ""
    return escaped(text)[: DESCRIPTION_LIMIT - len(link)] + link


def escaped(text: str) -> str:
    """The text with Discord's markup switched off."""
    return _MARKUP.sub(r"\\\1", text)
