"""Mattermost: a message attachment to an incoming webhook."""

import re

from actors.senders.kit.context import Tools
from actors.senders.kit.http import Request, field_of, json_request, post
from actors.senders.kit.severity import COLOURS
from actors.senders.kit.text_limits import fitted
from app.domain.text.message_text import words_of
from schema.channels import Mattermost
from schema.message import Message

TEXT_LIMIT = 3_000  # characters once escaped: old servers take 4,000 in all
_MARKUP = re.compile(r"[\\*`|>\[\]()<!]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_SIGILS = re.compile(r"[@#~]")  # of people, hashtags and channels: a backslash would not keep them from being read
APART = "\u200b"


async def send(config: Mattermost, message: Message, tools: Tools) -> None:
    """POST the message."""
    await post(render(config, message), tools.http, field_of("message"))


def render(config: Mattermost, message: Message) -> Request:
    """One attachment. `fallback` is what notifications show."""
    words = words_of(message, with_link=False)
    text = words.text
    link = f"\n[Acknowledge]({message.ack_url})" if message.ack_url else ""
    body: dict[str, object] = {
        "attachments": [
            {
                "fallback": _calm(fitted(f"{words.title}\n{text}", TEXT_LIMIT, lambda part: len(_calm(part)))),
                "color": f"#{COLOURS[words.mood]:06x}",
                "title": escaped(words.title),
                "text": escaped(fitted(text, TEXT_LIMIT, lambda part: len(escaped(part)))) + link,
            }
        ]
    }
    body |= {"username": config.username} if config.username else {}
    body |= {"channel": config.channel} if config.channel else {}
    body |= {"icon_emoji": config.icon_emoji} if config.icon_emoji else {}
    return json_request(config.webhook_url, body)


def escaped(text: str) -> str:
    """The text with Mattermost's markup switched off; it mentions nobody."""
    return _calm(_MARKUP.sub(r"\\\g<0>", text))


def _calm(text: str) -> str:
    return _SIGILS.sub(rf"\g<0>{APART}", text)
