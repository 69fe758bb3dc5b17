"""Webhook: the event as signed JSON. The same bytes on every attempt, so that receivers can detect duplicates."""

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, post
from schema.channels import Webhook
from schema.message import Message

RESERVED_HEADERS = frozenset(
    {"content-type", "content-length", "transfer-encoding", "host", "connection"}
)  # not to be set by the channel
ABSENT = (None, "")  # values of facts that an event does not have
_ENCODER = msgspec.json.Encoder()


class WebhookBody(Struct, frozen=True):
    """The JSON body. `signature` is the last member and signs the members before it."""

    event: str
    timestamp: str
    data: dict[str, Any]
    signature: str | UnsetType = UNSET


async def send(config: Webhook, message: Message, context: SenderContext) -> None:
    """POST the event."""
    await post(render(config, message), context.webhook_http)


def render(config: Webhook, message: Message) -> ProviderRequest:
    """Render the request. `X-Webhook-Signature` signs the raw body, the member `signature` the rest of the body.

    While the channel has a previous secret, `X-Webhook-Signature-Previous` signs the raw body with it.
    """
    body = _body(message)
    if config.secret:
        body = msgspec.structs.replace(body, signature=_signature(config.secret, _ENCODER.encode(body)))
    raw = _ENCODER.encode(body)
    headers = {
        name: value
        for name, value in config.headers.items()
        if name.lower() not in RESERVED_HEADERS and not name.lower().startswith("x-webhook-")
    }
    headers |= {
        "Content-Type": "application/json",
        "X-Webhook-Id": message.delivery_id,
        "X-Webhook-Timestamp": body.timestamp,
    }
    for name, secret in (("", config.secret), ("-Previous", config.previous_secret)):
        headers |= {f"X-Webhook-Signature{name}": _signature(secret, raw)} if secret else {}
    return ProviderRequest(config.url, raw, headers)


def _signature(secret: str, signed: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def _data(message: Message) -> dict[str, Any]:
    """The event's facts, the common ones in their common form; absent ones are left out."""
    common = {
        "delivery_id": message.delivery_id,
        "monitor": message.monitor,
        "status": message.status,
        "msg": message.msg,
        "started_at": _rfc3339(message.started_at) if message.started_at else "",
        "duration": message.duration_s,
        "ping": message.ping_ms,
        "test": message.test or None,
        "others": [_body(one) for one in message.merged] or None,
    }
    facts = common | message.facts | {name: value for name, value in common.items() if value not in ABSENT}
    return {name: value for name, value in facts.items() if value not in ABSENT}


def _body(message: Message) -> WebhookBody:
    """The body without its signature."""
    return WebhookBody(str(message.event), _rfc3339(message.at), _data(message))


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
