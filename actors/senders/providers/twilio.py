"""Twilio: a text message. It knows no idempotency key: what it took without saying so is sent again."""

import base64
from typing import Any
from urllib.parse import urlencode

from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, ResponseMeaning, interpret_status, post
from actors.senders.kit.retry_after import json_object
from actors.senders.kit.text_limits import truncate
from app.domain.text.message_text import compose_text
from schema.channels import Twilio
from schema.message import Message

BODY_LIMIT = 1_600  # characters, Twilio's
RATE_LIMIT_CODES = (14107, 20429, 21611, 30001, 30022, 63018, 63038)  # too much at once, or for today: later it works
FAILED_STATES = ("failed", "undelivered", "canceled")


async def send(config: Twilio, message: Message, context: SenderContext) -> None:
    """Create the message."""
    await post(render(config, message), context.http, _explain, interpret_response)


def render(config: Twilio, message: Message) -> ProviderRequest:
    """The call: a form, signed in with the account or one of its keys."""
    words = compose_text(message, with_link=False)
    plain = f"{words.title}\n{words.text}"
    link = f"\nAcknowledge: {message.ack_url}" if message.ack_url else ""
    sender = "MessagingServiceSid" if config.sender.startswith("MG") and len(config.sender) > 11 else "From"  # noqa: PLR2004  # names are no longer
    form = {
        "To": config.to,
        sender: config.sender,
        "Body": truncate(plain, BODY_LIMIT - len(link)) + link,
    }
    pair = base64.b64encode(f"{config.api_key_sid or config.account_sid}:{config.auth_token}".encode()).decode()
    return ProviderRequest(
        f"{config.server_url.rstrip('/')}/2010-04-01/Accounts/{config.account_sid}/Messages.json",
        urlencode(form).encode(),
        {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Basic {pair}"},
    )


def interpret_response(status: int, body: bytes) -> ResponseMeaning:
    """What the status says, unless the body knows better: a message may be created and have failed already."""
    answer = json_object(body)
    if _code_of(answer) in RATE_LIMIT_CODES:
        return ResponseMeaning.RETRY
    return ResponseMeaning.REJECTED if answer.get("status") in FAILED_STATES else interpret_status(status)


def _explain(body: bytes) -> str:
    """Twilio's code and its words, of a refusal or of a message."""
    answer = json_object(body)
    code, words = _code_of(answer), answer.get("message") or answer.get("error_message")
    numbered = f"error {code}" if isinstance(code, int) else ""
    return ": ".join(one for one in (numbered, words) if isinstance(one, str) and one)


def _code_of(answer: dict[str, Any]) -> object:
    return answer.get("code") or answer.get("error_code")
