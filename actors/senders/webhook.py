"""Webhook: the event as JSON, signed. The same bytes on every attempt, so that a receiver can tell doubles."""

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
from msgspec import UNSET, Struct, UnsetType

from actors.senders.post import Request, post
from actors.senders.tools import Tools
from schema.channels import Webhook
from schema.notices import Message, Watched
from schema.status import Status

OURS = frozenset({"content-type", "content-length", "transfer-encoding", "host", "connection"})  # not the channel's
_ENCODER = msgspec.json.Encoder()


class Data(Struct, frozen=True, omit_defaults=True):
    """What happened; facts an event does not have are left out."""

    delivery_id: str
    monitor: Watched | None = None
    status: Status | None = None
    msg: str = ""
    started_at: str = ""
    duration: float | None = None
    ping: float | None = None
    test: bool = False


class Body(Struct, frozen=True):
    """The signature is the last member, and signs what stands before it."""

    event: str
    timestamp: str
    data: dict[str, Any]
    signature: str | UnsetType = UNSET


async def send(config: Webhook, message: Message, tools: Tools) -> None:
    """POST the event."""
    await post(render(config, message), tools.hooks)


def render(config: Webhook, message: Message) -> Request:
    """The request; `X-Webhook-Signature` signs the raw body, the member `signature` the rest of the body."""
    body = Body(str(message.event), _rfc3339(message.at), _data(message))
    if config.secret:
        body = msgspec.structs.replace(body, signature=_signature(config.secret, _ENCODER.encode(body)))
    raw = _ENCODER.encode(body)
    headers = {
        "Content-Type": "application/json",
        "X-Webhook-Id": message.delivery_id,
        "X-Webhook-Timestamp": body.timestamp,
    }
    if config.secret:
        headers["X-Webhook-Signature"] = _signature(config.secret, raw)
    if config.previous_secret:
        headers["X-Webhook-Signature-Previous"] = _signature(config.previous_secret, raw)
    return Request(config.url, raw, _own(config.headers) | headers)


def _own(headers: dict[str, str]) -> dict[str, str]:
    """The channel's headers, without those that would contradict ours."""
    return {
        name: value
        for name, value in headers.items()
        if name.lower() not in OURS and not name.lower().startswith("x-webhook-")
    }


def _signature(secret: str, signed: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def _data(message: Message) -> dict[str, Any]:
    """What the event holds, in our own form where there is one."""
    told = Data(
        delivery_id=message.delivery_id,
        monitor=message.monitor,
        status=message.status,
        msg=message.msg,
        started_at=_rfc3339(message.started_at) if message.started_at else "",
        duration=message.duration_s,
        ping=message.ping_ms,
        test=message.test,
    )
    facts = {name: value for name, value in message.facts.items() if value is not None}
    return facts | cast("dict[str, Any]", msgspec.to_builtins(told))


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
