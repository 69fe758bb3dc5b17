"""Web push: a message encrypted for one browser, sent to its vendor's push service.

Source: RFC 8030 (TTL, Urgency, Topic), RFC 8291 (encryption), RFC 8292 (VAPID, sender identification).
"""

import os
from hashlib import sha256
from time import time

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from yarl import URL

from actors.senders.kit.alert_actions import alert_key
from actors.senders.kit.context import SenderContext
from actors.senders.kit.errors import DeliveryError
from actors.senders.kit.http import ProviderRequest, post
from actors.senders.kit.retry_after import json_object
from actors.senders.kit.text_limits import truncate
from actors.senders.kit.webpush_encryption import PLAIN_LIMIT, SALT_BYTES, MessageKeys, encrypt_message
from app.domain.alerting import vapid
from app.domain.parsing.hosts import wire_mail_address
from app.domain.text.message_text import Severity, compose_text
from schema.channels import Webpush
from schema.message import Message

TOKEN_S = 43_200  # push services accept at most 24 hours
TOPIC_LENGTH = 32  # characters of base64url (RFC 8030, 5.4)
URGENCIES = {Severity.CRITICAL: "high"}  # wakes a device that saves power; all others are "normal"
_ENCODER = msgspec.json.Encoder()


async def send(config: Webpush, message: Message, context: SenderContext) -> None:
    """POST the message to the push service. 404 and 410 mean that the subscription has ended."""
    keys = MessageKeys(ec.generate_private_key(ec.SECP256R1()), os.urandom(SALT_BYTES))
    try:
        request = render(config, message, keys, int(time()))
    except ValueError as error:
        reason = "the subscription's keys are not what they should be"
        raise DeliveryError(reason, permanent=True, channel_level=True) from error
    await post(request, context.http, _explain)


def render(config: Webpush, message: Message, keys: MessageKeys, now_s: int) -> ProviderRequest:
    """Render the request. While the browser is offline, a message replaces earlier ones of the same topic.

    raises    ValueError for an invalid key
    """
    headers = {
        "Authorization": _authorization(config, now_s),
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
        "TTL": str(config.ttl),
        "Urgency": URGENCIES.get(compose_text(message).severity, "normal"),
        "Topic": topic_of(message),
    }
    return ProviderRequest(
        config.endpoint_url, encrypt_message(payload_of(message), config.p256dh, config.auth, keys), headers
    )


def payload_of(message: Message) -> bytes:
    """The payload for the browser's service worker; its text is truncated to the limit."""
    content = compose_text(message, with_link=False)
    fields = {
        "title": content.title,
        "body": "",
        "tag": topic_of(message),
        "event": message.event,
        "timestamp": message.at,
        "delivery_id": message.delivery_id,
        "ack_url": message.ack_url,
    }
    shortened = truncate(content.text, PLAIN_LIMIT, lambda body: len(_ENCODER.encode(fields | {"body": body})))
    return _ENCODER.encode(fields | {"body": shortened})


def topic_of(message: Message) -> str:
    """The topic, the same for all messages of one outage."""
    return vapid.to_base64url(sha256(alert_key(message).encode()).digest())[:TOPIC_LENGTH]


def _authorization(config: Webpush, now_s: int) -> str:
    audience = str(URL(config.endpoint_url).origin())
    claims = {"aud": audience, "exp": now_s + TOKEN_S, "sub": f"mailto:{wire_mail_address(config.contact)}"}
    token = jwt.encode(claims, vapid.parse_private_key(config.private_key), "ES256")
    return f"vapid t={token}, k={vapid.public_key_for(config.private_key)}"


def _explain(body: bytes) -> str:
    """Mozilla uses `message`, Apple `reason`; others respond with HTML pages."""
    error = json_object(body)
    return next((text for name in ("message", "reason") if isinstance(text := error.get(name), str)), "")
