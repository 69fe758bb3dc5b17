"""Microsoft Teams: an Adaptive Card sent to a workflow with a webhook trigger."""

import msgspec

from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, error_field, json_request, post
from actors.senders.kit.text_limits import truncate, utf8_bytes, utf16_units
from app.domain.parsing.addresses import TextPart, split_addresses
from app.domain.text.message_text import MessageText, Severity, compose_text
from schema.channels import Teams
from schema.message import Message

COLOURS = {
    Severity.CRITICAL: "attention",
    Severity.RESOLVED: "good",
    Severity.WARNING: "warning",
    Severity.INFO: "default",
}
LINES_LIMIT, LINES = 20_000, 40  # bytes and number of a card's lines; Teams accepts 28 KB for the whole message
VERSION = "1.4"  # supported by Teams on every device


async def send(config: Teams, message: Message, context: SenderContext) -> None:
    """POST the card; workflows respond 202."""
    await post(render(config, message), context.http, error_field("error", "message"))


def render(config: Teams, message: Message) -> ProviderRequest:
    """Render a message with one card as its attachment. `summary` is shown in notifications; without it, "Card"."""
    content = compose_text(message, with_link=False)
    card = _card(content, message.ack_url)
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return json_request(config.webhook_url, {"type": "message", "summary": content.title, "attachments": [attachment]})


def _card(content: MessageText, ack_url: str) -> dict[str, object]:
    text = truncate(content.text, LINES_LIMIT, _size_of_lines)
    title = {"weight": "bolder", "size": "medium", "color": COLOURS[content.severity]}
    card: dict[str, object] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": VERSION,
        "msteams": {"width": "Full"},
        "body": [_line(content.title, title), *_lines(text)],
    }
    button = {"type": "Action.OpenUrl", "title": "Acknowledge", "url": ack_url}
    return card | ({"actions": [button]} if ack_url else {})


def _lines(text: str) -> list[dict[str, object]]:
    return [_line(line, {}, spacing="none") for line in text.split("\n", LINES - 1)]


def _line(text: str, style: dict[str, str], **properties: str) -> dict[str, object]:
    """A line of plain text. Unlike a TextBlock, a TextRun has no markup: only its own action links."""
    parts = split_addresses(text) or [TextPart("", is_address=False)]
    return {"type": "RichTextBlock", **properties, "inlines": [_run(part, style) for part in parts]}


def _run(part: TextPart, style: dict[str, str]) -> dict[str, object]:
    link = {"selectAction": {"type": "Action.OpenUrl", "url": part.text}} if part.is_address else {}
    return {"type": "TextRun", "text": part.text, **style, **link}


def _size_of_lines(text: str) -> int:
    """Bytes of the lines as UTF-8 or as UTF-16, whichever are more: Teams does not say which it counts."""
    encoded = msgspec.json.encode(_lines(text)).decode()
    return max(utf8_bytes(encoded), 2 * utf16_units(encoded))
