"""Google Chat: a card to a space's webhook. What is told of one outage stands in one thread."""

from html import escape

from actors.senders.kit.context import Tools
from actors.senders.kit.http import Request, field_of, json_request, post
from actors.senders.kit.severity import EMOJI
from actors.senders.kit.text_limits import fitted, utf8
from app.domain.parsing.web_url import with_query
from app.domain.text.message_text import words_of
from schema.channels import GoogleChat
from schema.message import Message

TEXT_LIMIT, PLAIN_LIMIT = 12_000, 4_000  # bytes once escaped; Google takes 32,000 in all
THREADED = "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD"


async def send(config: GoogleChat, message: Message, tools: Tools) -> None:
    """Create the message."""
    await post(render(config, message), tools.http, field_of("error", "message"))


def render(config: GoogleChat, message: Message) -> Request:
    """The card; `requestId` is the delivery, so that a second attempt finds the first one's message."""
    query = {"requestId": message.delivery_id}
    body: dict[str, object] = _card(message)
    if message.incident_id:
        query["messageReplyOption"] = THREADED
        body["thread"] = {"threadKey": message.incident_id}
    return json_request(with_query(config.webhook_url, query), body)


def _card(message: Message) -> dict[str, object]:
    """`fallbackText` is what notifications show: plain text, unlike `text`, in which `<users/all>` calls everybody."""
    words = words_of(message, with_link=False)
    text = words.text
    shown = _html(fitted(text, TEXT_LIMIT, lambda part: utf8(_html(part))))
    widgets: list[dict[str, object]] = [
        {"textParagraph": {"text": f"{EMOJI[words.mood]} <b>{escape(words.title)}</b><br>{shown}"}}
    ]
    if message.ack_url:
        button = {"text": "Acknowledge", "onClick": {"openLink": {"url": message.ack_url}}}
        widgets.append({"buttonList": {"buttons": [button]}})
    return {
        "fallbackText": fitted(f"{EMOJI[words.mood]} {words.title}\n{text}", PLAIN_LIMIT, utf8),
        "cardsV2": [{"cardId": message.delivery_id, "card": {"sections": [{"widgets": widgets}]}}],
    }


def _html(text: str) -> str:
    return escape(text).replace("\n", "<br>")
