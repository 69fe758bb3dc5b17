"""Slack: a message sent to an incoming webhook."""

import re

from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, json_request, post
from actors.senders.kit.retry_after import WAITS
from actors.senders.kit.text_limits import truncate
from app.domain.text.message_text import Severity, compose_text
from schema.channels import Slack
from schema.message import Message

EMOJI = {
    Severity.CRITICAL: ":red_circle:",
    Severity.RESOLVED: ":large_green_circle:",
    Severity.WARNING: ":large_yellow_circle:",
    Severity.INFO: ":information_source:",
}

_WORD = re.compile(rb"[a-z_]{3,40}\s*")
TITLE_LIMIT, TEXT_LIMIT = 600, 2_000  # characters once escaped; the rest of a section's 3,000 is for the link


async def send(config: Slack, message: Message, context: SenderContext) -> None:
    """POST the message."""
    await post(render(config, message), context.http, _explain, waits=WAITS["slack"])


def render(config: Slack, message: Message) -> ProviderRequest:
    """Render the message. `text` is shown in notifications, the blocks in the channel."""
    content = compose_text(message, with_link=False)
    title = escape_markup(truncate(content.title, TITLE_LIMIT, _cost))
    text = escape_markup(truncate(content.text, TEXT_LIMIT, _cost))
    text += f"\n<{escape_markup(message.ack_url)}|Acknowledge>" if message.ack_url else ""
    body: dict[str, object] = {
        "text": f"{EMOJI[content.severity]} {title}\n{text}",
        "blocks": [
            {
                "type": "section",
                "text": {"type": "mrkdwn", "text": f"{EMOJI[content.severity]} *{title}*\n{text}", "verbatim": True},
            },
        ],
        "unfurl_links": False,
    }
    body |= {"username": config.username} if config.username else {}
    body |= {"channel": config.channel} if config.channel else {}
    return json_request(config.webhook_url, body)


def escape_markup(text: str) -> str:
    """Escape Slack's three special characters; without them there is no mention or link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cost(text: str) -> int:
    return len(escape_markup(text))


def _explain(body: bytes) -> str:
    """Slack's error bodies are one word, such as `channel_not_found`."""
    return body.decode().strip() if _WORD.fullmatch(body) else ""
