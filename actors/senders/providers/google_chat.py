"""Google Chat: a card sent to a space's webhook. Messages of one outage share a thread."""

from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, error_field, json_request, post
from actors.senders.kit.markup import html_markup
from actors.senders.kit.retry_after import WAITS
from actors.senders.kit.severity import EMOJI
from actors.senders.kit.text_limits import truncate, utf8_bytes
from app.domain.parsing.web_url import with_query
from app.domain.text.message_text import compose_text
from schema.channels import GoogleChat
from schema.message import Message

TEXT_LIMIT, PLAIN_LIMIT = 12_000, 4_000  # bytes once escaped; Google accepts 32,000 in all
HTML = html_markup()
THREADED = "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD"


async def send(config: GoogleChat, message: Message, context: SenderContext) -> None:
    """Create the message."""
    await post(render(config, message), context.http, error_field("error", "message"), waits=WAITS["google_chat"])


def render(config: GoogleChat, message: Message) -> ProviderRequest:
    """Render the card. `requestId` is the delivery: a second attempt finds the first one's message."""
    query = {"requestId": message.delivery_id}
    body: dict[str, object] = _card(message)
    if message.incident_id:
        query["messageReplyOption"] = THREADED
        body["thread"] = {"threadKey": message.incident_id}
    return json_request(with_query(config.webhook_url, query), body)


def _card(message: Message) -> dict[str, object]:
    """`fallbackText` is shown in notifications. It is plain; in `text`, `<users/all>` would mention everybody."""
    content = compose_text(message, with_link=False)
    text = truncate(content.text, TEXT_LIMIT, lambda part: utf8_bytes(HTML.render(part)))
    html = f"{EMOJI[content.severity]} <b>{HTML.render(content.title)}</b><br>{HTML.render(text)}"
    widgets: list[dict[str, object]] = [{"textParagraph": {"text": html}}]
    if message.ack_url:
        button = {"text": "Acknowledge", "onClick": {"openLink": {"url": message.ack_url}}}
        widgets.append({"buttonList": {"buttons": [button]}})
    return {
        "fallbackText": truncate(f"{EMOJI[content.severity]} {content.title}\n{content.text}", PLAIN_LIMIT, utf8_bytes),
        "cardsV2": [{"cardId": message.delivery_id, "card": {"sections": [{"widgets": widgets}]}}],
    }
