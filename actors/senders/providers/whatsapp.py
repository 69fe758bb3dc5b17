"""WhatsApp: a message through a WAHA server."""

import re
from http import HTTPStatus

from actors.senders.kit.context import Tools
from actors.senders.kit.http import Request, Verdict, by_status, field_of, json_request, post
from actors.senders.kit.severity import EMOJI
from actors.senders.kit.text_limits import fitted_to_link
from app.domain.text.message_text import words_of
from schema.channels import Whatsapp
from schema.message import Message

TEXT_LIMIT = 4_096  # characters, what every way into WhatsApp takes
LOOKALIKES = {"*": "∗", "_": "＿", "~": "∼", "`": "ˋ"}  # noqa: RUF001  # WhatsApp has no way to escape; these look alike
_MARKUP = re.compile(r"[*~`]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


async def send(config: Whatsapp, message: Message, tools: Tools) -> None:
    """Call `sendText`."""
    await post(render(config, message), tools.http, _explain, _judge)


def render(config: Whatsapp, message: Message) -> Request:
    """The call. No preview is fetched of what a message mentions."""
    words = words_of(message)
    title, text = escaped(words.title), escaped(words.text)
    body: dict[str, object] = {
        "session": config.session,
        "chatId": config.chat_id,
        "text": fitted_to_link(f"{EMOJI[words.mood]} *{title}*\n{text}", message.ack_url, TEXT_LIMIT),
        "linkPreview": False,
    }
    headers = {"X-Api-Key": config.api_key} if config.api_key else {}
    return json_request(f"{config.server_url.rstrip('/')}/api/sendText", body, headers)


def escaped(text: str) -> str:
    """The text without what WhatsApp reads as markup."""
    return _MARKUP.sub(lambda found: LOOKALIKES[found.group()], text)


def _explain(body: bytes) -> str:
    return field_of("message")(body) or field_of("error")(body)


def _judge(status: int, body: bytes) -> Verdict:
    """A session that is starting, or waits for its phone, answers 422 and comes back."""
    asleep = status == HTTPStatus.UNPROCESSABLE_ENTITY and "session status" in _explain(body).lower()
    return Verdict.LATER if asleep else by_status(status)
