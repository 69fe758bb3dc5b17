"""Twilio: a text message. It knows no idempotency key: what it took without saying so is sent again."""

import base64
from typing import Any
from urllib.parse import urlencode

from actors.senders.kit.context import Tools
from actors.senders.kit.http import Request, Verdict, by_status, post
from actors.senders.kit.retry_after import json_of
from actors.senders.kit.text_limits import fitted
from app.domain.text.message_text import words_of
from schema.channels import Twilio
from schema.message import Message

BODY_LIMIT = 1_600  # characters, Twilio's
FULL = (14107, 20429, 21611, 30001, 30022, 63018, 63038)  # too much at once, or for today: later it works
FAILED = ("failed", "undelivered", "canceled")


async def send(config: Twilio, message: Message, tools: Tools) -> None:
    """Create the message."""
    await post(render(config, message), tools.http, _explain, verdict)


def render(config: Twilio, message: Message) -> Request:
    """The call: a form, signed in with the account or one of its keys."""
    words = words_of(message, with_link=False)
    plain = f"{words.title}\n{words.text}"
    link = f"\nAcknowledge: {message.ack_url}" if message.ack_url else ""
    sender = "MessagingServiceSid" if config.sender.startswith("MG") and len(config.sender) > 11 else "From"  # noqa: PLR2004  # names are no longer
    form = {
        "To": config.to,
        sender: config.sender,
        "Body": fitted(plain, BODY_LIMIT - len(link)) + link,
    }
    pair = base64.b64encode(f"{config.api_key_sid or config.account_sid}:{config.auth_token}".encode()).decode()
    return Request(
        f"{config.server_url.rstrip('/')}/2010-04-01/Accounts/{config.account_sid}/Messages.json",
        urlencode(form).encode(),
        {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Basic {pair}"},
    )


def verdict(status: int, body: bytes) -> Verdict:
    """What the status says, unless the body knows better: a message may be created and have failed already."""
    answer = json_of(body)
    if _code_of(answer) in FULL:
        return Verdict.LATER
    return Verdict.NEVER if answer.get("status") in FAILED else by_status(status)


def _explain(body: bytes) -> str:
    """Twilio's code and its words, of a refusal or of a message."""
    answer = json_of(body)
    code, words = _code_of(answer), answer.get("message") or answer.get("error_message")
    numbered = f"error {code}" if isinstance(code, int) else ""
    return ": ".join(one for one in (numbered, words) if isinstance(one, str) and one)


def _code_of(answer: dict[str, Any]) -> object:
    return answer.get("code") or answer.get("error_code")
