"""Mattermost: a message attachment sent to an incoming webhook."""

import re

from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, error_field, json_request, post
from actors.senders.kit.markup import ZERO_WIDTH_SPACE, Markup, angle_link, escape_list_marks
from actors.senders.kit.retry_after import WAITS
from actors.senders.kit.severity import COLOURS
from actors.senders.kit.text_limits import truncate
from app.domain.text.message_text import compose_text
from schema.channels import Mattermost
from schema.message import Message

TEXT_LIMIT = 3_000  # characters once escaped; old servers accept 4,000 in all
_MARKUP = re.compile(r"\\(?!\w)|[*`|>\[\]()!]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")  # what a backslash escapes
_SIGILS = re.compile(r"[@#~]")  # of users, hashtags and channels; a backslash does not escape them
_ENTITIES = {"<": "&lt;", "&": "&amp;"}  # nor these, which begin an address, a tag or an entity
_ENTITY_CHARS = re.compile(r"<|&(?=#?\w+;)")
_LINE_STARTS = re.compile(r"^(?=[ \t]*=|[ \t]{2})", re.MULTILINE)  # nor a line that underlines, or is indented as code


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
                "fallback": _render(FALLBACK, f"{content.title}\n{content.text}"),
                "color": f"#{COLOURS[content.severity]:06x}",
                "title": MARKUP.render(content.title),
                "text": _render(MARKUP, content.text) + link,
            }
        ]
    }
    body |= {"username": config.username} if config.username else {}
    body |= {"channel": config.channel} if config.channel else {}
    body |= {"icon_emoji": config.icon_emoji} if config.icon_emoji else {}
    return json_request(config.webhook_url, body)


def escape_markup(text: str) -> str:
    """Escape Mattermost's markup and mentions in words.

    source    Mattermost's fork of marked: its inline rules `escape`, `autolink` and `tag`, its block rules
    """
    escaped = escape_list_marks(_MARKUP.sub(r"\\\g<0>", text))
    encoded = _ENTITY_CHARS.sub(lambda match: _ENTITIES[match.group()], _without_mentions(escaped))
    return _LINE_STARTS.sub(ZERO_WIDTH_SPACE, encoded)


def _render(markup: Markup, text: str) -> str:
    return markup.render(truncate(text, TEXT_LIMIT, lambda part: len(markup.render(part))))


def _without_mentions(text: str) -> str:
    return _SIGILS.sub(rf"\g<0>{ZERO_WIDTH_SPACE}", text)


MARKUP, FALLBACK = Markup(escape_markup, angle_link), Markup(_without_mentions)
