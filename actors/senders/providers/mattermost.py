"""Mattermost: a message attachment sent to an incoming webhook."""

import re

from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, error_field, json_request, post
from actors.senders.kit.retry_after import WAITS
from actors.senders.kit.severity import COLOURS
from actors.senders.kit.text_limits import truncate
from app.domain.text.message_text import compose_text
from schema.channels import Mattermost
from schema.message import Message

TEXT_LIMIT = 3_000  # characters once escaped; old servers accept 4,000 in all
_MARKUP = re.compile(r"[\\*`|>\[\]()<!]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_SIGILS = re.compile(r"[@#~]")  # of users, hashtags and channels; a backslash does not escape them
ZERO_WIDTH_SPACE = "\u200b"


async def send(config: Mattermost, message: Message, context: SenderContext) -> None:
    """POST the message."""
    await post(render(config, message), context.http, error_field("message"), waits=WAITS["mattermost"])


def render(config: Mattermost, message: Message) -> ProviderRequest:
    """Render one attachment. `fallback` is shown in notifications."""
    content = compose_text(message, with_link=False)
    link = f"\n[Acknowledge]({message.ack_url})" if message.ack_url else ""
    body: dict[str, object] = {
        "attachments": [
            {
                "fallback": _without_mentions(
                    truncate(f"{content.title}\n{content.text}", TEXT_LIMIT, lambda part: len(_without_mentions(part)))
                ),
                "color": f"#{COLOURS[content.severity]:06x}",
                "title": escape_markup(content.title),
                "text": escape_markup(truncate(content.text, TEXT_LIMIT, lambda part: len(escape_markup(part)))) + link,
            }
        ]
    }
    body |= {"username": config.username} if config.username else {}
    body |= {"channel": config.channel} if config.channel else {}
    body |= {"icon_emoji": config.icon_emoji} if config.icon_emoji else {}
    return json_request(config.webhook_url, body)


def escape_markup(text: str) -> str:
    """Escape Mattermost's markup and mentions."""
    return _without_mentions(_MARKUP.sub(r"\\\g<0>", text))


def _without_mentions(text: str) -> str:
    return _SIGILS.sub(rf"\g<0>{ZERO_WIDTH_SPACE}", text)
