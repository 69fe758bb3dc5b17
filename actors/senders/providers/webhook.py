"""Webhook: the event as JSON or in a body of the user's own, signed.

The same bytes on every attempt, so that receivers can detect duplicates.
"""

import asyncio
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import structlog
from msgspec import UNSET, Struct, UnsetType

from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, login_headers, post
from app.domain.text import request_templates
from app.domain.text.request_templates import RequestParts
from schema.channels import Webhook
from schema.channels.webhook import WebhookMethod
from schema.message import Message

RESERVED_HEADERS = frozenset(
    {"content-type", "content-length", "transfer-encoding", "host", "connection"}
)  # not to be set by the channel
NO_TEMPLATES = RequestParts()
DEFAULT_TYPE = "application/json"
ABSENT = (None, "")  # values of facts that an event does not have
log = structlog.get_logger()

_ENCODER = msgspec.json.Encoder()


class WebhookBody(Struct, frozen=True):
    """The JSON body. `signature` is the last member and signs the members before it."""

    event: str
    timestamp: str
    data: dict[str, Any]
    signature: str | UnsetType = UNSET


async def send(config: Webhook, message: Message, context: SenderContext) -> None:
    """Send the event. Where a template fails, the default body is sent."""
    parts = NO_TEMPLATES
    if config.body or config.query:  # in a thread: the first use loads a library
        parts = await asyncio.to_thread(request_templates.render_parts, config, message)
    if parts.errors:
        log.warning("notify.template_failed", delivery=message.delivery_id, errors=parts.errors)
    await post(render(config, message, parts), context.webhook_http)


def render(config: Webhook, message: Message, parts: RequestParts = NO_TEMPLATES) -> ProviderRequest:
    """Render the request. `X-Webhook-Signature` signs the raw body, the member `signature` the rest of our body.

    While the channel has a previous secret, `X-Webhook-Signature-Previous` signs the raw body with it.

    parts    what the channel's templates rendered to
    """
    raw = _raw_body(config, message, parts)
    url = _url_with_query(config.url, parts.query) if parts.query else config.url
    return ProviderRequest(url, raw, _headers(config, message, raw, is_own=parts.body is not None), str(config.method))


def _raw_body(config: Webhook, message: Message, parts: RequestParts) -> bytes:
    if parts.body is not None:
        return parts.body.encode(errors="replace")
    if config.method is WebhookMethod.GET:
        return b""
    body = _body(message)
    if config.secret:
        body = msgspec.structs.replace(body, signature=_signature(config.secret, _ENCODER.encode(body)))
    return _ENCODER.encode(body)


def _headers(config: Webhook, message: Message, raw: bytes, *, is_own: bool) -> dict[str, str]:
    """Every header.

    is_own    the body is rendered from the channel's template
    """
    headers = {
        name: value
        for name, value in config.headers.items()
        if name.lower() not in RESERVED_HEADERS and not name.lower().startswith("x-webhook-")
    }
    headers |= login_headers(config.username, config.password, config.bearer_token)
    if raw:
        headers["Content-Type"] = config.content_type if is_own or not config.body else DEFAULT_TYPE
    headers |= {"X-Webhook-Id": message.delivery_id, "X-Webhook-Timestamp": _rfc3339(message.at)}
    for name, secret in (("", config.secret), ("-Previous", config.previous_secret)):
        headers |= {f"X-Webhook-Signature{name}": _signature(secret, raw)} if secret else {}
    return headers


def _url_with_query(url: str, query: dict[str, str]) -> str:
    """The URL with more parameters, before a fragment."""
    address, hash_, fragment = url.partition("#")
    joiner = "&" if "?" in address else "?"
    return f"{address}{joiner}{urlencode(query, quote_via=quote)}{hash_}{fragment}"


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
