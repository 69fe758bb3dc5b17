"""LINE: a push message from an official account. Its retry key is the delivery, so LINE accepts it once."""

from http import HTTPStatus

from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, ResponseMeaning, error_field, interpret_status, json_request, post
from actors.senders.kit.severity import EMOJI
from actors.senders.kit.text_limits import truncate_keeping_link, utf16_units
from app.domain.text.message_text import compose_text
from schema.channels import Line
from schema.message import Message

TEXT_LIMIT = 5_000  # UTF-16 units; LINE's limit


async def send(config: Line, message: Message, context: SenderContext) -> None:
    """Push the message."""
    await post(render(config, message), context.http, error_field("message"), _interpret)


def render(config: Line, message: Message) -> ProviderRequest:
    """Render one text message; LINE knows no markup."""
    content = compose_text(message)
    text = f"{EMOJI[content.severity]} {content.title}\n{content.text}"
    body: dict[str, object] = {
        "to": config.to,
        "messages": [{"type": "text", "text": truncate_keeping_link(text, message.ack_url, TEXT_LIMIT, utf16_units)}],
        "notificationDisabled": config.silent,
    }
    headers = {"Authorization": f"Bearer {config.channel_access_token}", "X-Line-Retry-Key": message.delivery_id}
    return json_request(f"{config.server_url.rstrip('/')}/v2/bot/message/push", body, headers)


def _interpret(status: int, body: bytes) -> ResponseMeaning:
    """409: a request with this retry key was accepted before; its response was lost."""
    return ResponseMeaning.ACCEPTED if status == HTTPStatus.CONFLICT else interpret_status(status, body)
