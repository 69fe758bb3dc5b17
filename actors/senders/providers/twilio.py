"""Twilio: a text message. There is no idempotency key: after a lost response the message is sent again."""

from typing import Any
from urllib.parse import urlencode

from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, ResponseMeaning, interpret_status, login_headers, post
from actors.senders.kit.retry_after import WAITS, json_object
from actors.senders.kit.text_limits import truncate, utf16_units
from app.domain.text.message_text import compose_text
from schema.channels import Twilio
from schema.message import Message

BODY_LIMIT = 1_600  # characters; Twilio's limit, in UTF-16 units where the text needs UCS-2
SENDER_ID_LIMIT = 11  # characters of an alphanumeric sender id; a messaging service's id is longer
FAILED_STATES = ("failed", "undelivered", "canceled")


async def send(config: Twilio, message: Message, context: SenderContext) -> None:
    """Create the message."""
    await post(render(config, message), context.http, _explain, interpret_response, waits=WAITS["twilio"])


def render(config: Twilio, message: Message) -> ProviderRequest:
    """Render the form, authenticated by the account or one of its API keys."""
    content = compose_text(message, with_link=False)
    text = f"{content.title}\n{content.text}"
    link = f"\nAcknowledge: {message.ack_url}" if message.ack_url else ""
    is_service = config.sender.startswith("MG") and len(config.sender) > SENDER_ID_LIMIT
    form = {
        "To": config.to,
        "MessagingServiceSid" if is_service else "From": config.sender,
        "Body": truncate(text, BODY_LIMIT - utf16_units(link), utf16_units) + link,
    }
    login = login_headers(config.api_key_sid or config.account_sid, config.auth_token)
    return ProviderRequest(
        f"{config.server_url.rstrip('/')}/2010-04-01/Accounts/{config.account_sid}/Messages.json",
        urlencode(form).encode(),
        {"Content-Type": "application/x-www-form-urlencoded", **login},
    )


def interpret_response(status: int, body: bytes) -> ResponseMeaning:
    """By the status, unless the body says more: a message may be created and have failed already."""
    has_failed = json_object(body).get("status") in FAILED_STATES
    return ResponseMeaning.REJECTED if has_failed else interpret_status(status)


def _explain(body: bytes) -> str:
    """Twilio's error code and text, of a rejection or of a failed message."""
    fields = json_object(body)
    code, text = _code_of(fields), fields.get("message") or fields.get("error_message")
    code_text = f"error {code}" if isinstance(code, int) else ""
    return ": ".join(one for one in (code_text, text) if isinstance(one, str) and one)


def _code_of(fields: dict[str, Any]) -> object:
    return fields.get("code") or fields.get("error_code")
