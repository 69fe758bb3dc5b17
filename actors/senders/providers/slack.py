"""Slack: a message sent to an incoming webhook."""

import re

from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, json_request, post
from actors.senders.kit.retry_after import WAITS
from actors.senders.kit.severity import EMOJI
from actors.senders.kit.text_limits import truncate, utf16_units
from app.domain.parsing.addresses import split_addresses
from app.domain.text.message_text import compose_text
from schema.channels import Slack
from schema.message import Message

_WORD = re.compile(rb"[a-z_]{3,40}\s*")
TITLE_LIMIT, TEXT_LIMIT = 600, 2_000  # UTF-16 units once escaped; for a rich text block, Slack documents no limit


async def send(config: Slack, message: Message, context: SenderContext) -> None:
    """POST the message."""
    await post(render(config, message), context.http, _explain, waits=WAITS["slack"])


def render(config: Slack, message: Message) -> ProviderRequest:
    """Render the message. `text` is shown in notifications, the block in the channel.

    Rich text has no markup: words are shown as they are, and links are elements of their own.
    """
    content = compose_text(message, with_link=False)
    title = f"{EMOJI[content.severity]} {truncate(content.title, TITLE_LIMIT, _cost)}"
    text = truncate(content.text, TEXT_LIMIT, _cost)
    elements = [*_elements(title, bold=True), *_elements(f"\n{text}")]
    if message.ack_url:
        elements += [*_elements("\n"), {"type": "link", "url": message.ack_url, "text": "Acknowledge"}]
    section = {"type": "rich_text_section", "elements": elements}
    body: dict[str, object] = {
        "text": escape_markup(f"{title}\n{text}" + (f"\nAcknowledge: {message.ack_url}" if message.ack_url else "")),
        "mrkdwn": False,
        "blocks": [{"type": "rich_text", "elements": [section]}],
        "unfurl_links": False,
    }
    body |= {"username": config.username} if config.username else {}
    body |= {"channel": config.channel} if config.channel else {}
    return json_request(config.webhook_url, body)


def escape_markup(text: str) -> str:
    """Escape Slack's three special characters; without them there is no mention or link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _elements(text: str, *, bold: bool = False) -> list[dict[str, object]]:
    """Rich text elements of words and addresses."""
    style: dict[str, object] = {"style": {"bold": True}} if bold else {}
    return [
        {"type": "link", "url": part.text, **style} if part.is_address else {"type": "text", "text": part.text, **style}
        for part in split_addresses(text)
    ]


def _cost(text: str) -> int:
    return utf16_units(escape_markup(text))


def _explain(body: bytes) -> str:
    """Slack's error bodies are one word, such as `channel_not_found`."""
    return body.decode().strip() if _WORD.fullmatch(body) else ""
