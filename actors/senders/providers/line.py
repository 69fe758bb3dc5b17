"""LINE: a push message from an official account. Its retry key is the delivery, so LINE takes it once."""

from http import HTTPStatus

from actors.senders.kit.context import Tools
from actors.senders.kit.http import Request, Verdict, by_status, field_of, json_request, post
from actors.senders.kit.severity import EMOJI
from actors.senders.kit.text_limits import fitted_to_link, utf16
from app.domain.text.message_text import words_of
from schema.channels import Line
from schema.message import Message

TEXT_LIMIT = 5_000  # UTF-16 units, LINE's


async def send(config: Line, message: Message, tools: Tools) -> None:
    """Push the message."""
    await post(render(config, message), tools.http, field_of("message"), _judge)


def render(config: Line, message: Message) -> Request:
    """One text, which LINE shows as it stands."""
    words = words_of(message)
    text = f"{EMOJI[words.mood]} {words.title}\n{words.text}"
    body: dict[str, object] = {
        "to": config.to,
        "messages": [{"type": "text", "text": fitted_to_link(text, message.ack_url, TEXT_LIMIT, utf16)}],
        "notificationDisabled": config.silent,
    }
    headers = {"Authorization": f"Bearer {config.channel_access_token}", "X-Line-Retry-Key": message.delivery_id}
    return json_request(f"{config.server_url.rstrip('/')}/v2/bot/message/push", body, headers)


def _judge(status: int, body: bytes) -> Verdict:
    """409: a request with this retry key was accepted before, and we did not hear of it."""
    return Verdict.TAKEN if status == HTTPStatus.CONFLICT else by_status(status, body)
