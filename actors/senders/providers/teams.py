"""Microsoft Teams: an Adaptive Card sent to a workflow with a webhook trigger."""

from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, error_field, json_request, post
from actors.senders.kit.text_limits import truncate
from app.domain.text.message_text import Severity, compose_text
from schema.channels import Teams
from schema.message import Message

COLOURS = {
    Severity.CRITICAL: "attention",
    Severity.RESOLVED: "good",
    Severity.WARNING: "warning",
    Severity.INFO: "default",
}
TEXT_LIMIT, LINES = 4_000, 40  # keeps a card below the 28 KB that Teams accepts, however it is escaped
VERSION = "1.4"  # supported by Teams on every device


async def send(config: Teams, message: Message, context: SenderContext) -> None:
    """POST the card; workflows respond 202."""
    await post(render(config, message), context.http, error_field("error", "message"))


def render(config: Teams, message: Message) -> ProviderRequest:
    """Render a message with one card as its attachment."""
    card = _card(message)
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return json_request(config.webhook_url, {"type": "message", "attachments": [attachment]})


def _card(message: Message) -> dict[str, object]:
    content = compose_text(message, with_link=False)
    lines = truncate(content.text, TEXT_LIMIT).split("\n", LINES - 1)
    title = {"text": content.title, "weight": "bolder", "size": "medium", "color": COLOURS[content.severity]}
    card: dict[str, object] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": VERSION,
        "msteams": {"width": "Full"},
        "body": [_line(title), *(_line({"text": line}, spacing="none") for line in lines)],
    }
    button = {"type": "Action.OpenUrl", "title": "Acknowledge", "url": message.ack_url}
    return card | ({"actions": [button]} if message.ack_url else {})


def _line(run: dict[str, str], **properties: str) -> dict[str, object]:
    """A line of plain text. Unlike a TextBlock, a TextRun has no markup, so nothing in it links or mentions."""
    return {"type": "RichTextBlock", **properties, "inlines": [{"type": "TextRun", **run}]}
