"""What surrounds every request: its id, the headers of every response, one log line and two metrics at its end.

Wraps the whole application, so that it covers 404 and 405 too. Never logs bodies, headers, queries or tokens.
The response of a route that changes something waits until its audit entry and its idempotent copy are stored.
"""

import re
from functools import cache
from itertools import product
from random import getrandbits
from time import perf_counter
from typing import Any

import structlog
from litestar.enums import ScopeType
from litestar.status_codes import HTTP_400_BAD_REQUEST
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from litestar.types.asgi_types import HTTPResponseBodyEvent, HTTPResponseStartEvent
from prometheus_client import Counter, Histogram

from app.api.http import audit_actions, audit_trail, etags, idempotency, rate_limits, timeouts
from app.security.limits import proxy_headers

VALID_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",  # pages set their own
    "Permissions-Policy": "accelerometer=(), camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",  # resources for other sites, such as badges, set their own
    "Cache-Control": "no-store",
}
_RAW_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
# browsers then never use plain HTTP (RFC 6797): a year; without includeSubDomains, which may belong to others
HSTS = (b"strict-transport-security", b"max-age=31536000")
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)  # the client library's, without its odd ones

REQUESTS = Counter("http_requests_total", "Total number of HTTP requests", ["method", "status"])
FAILURE_STATUSES = ("500", "502", "503", "504")  # exported as 0 from the start: `rate()` misses a step from none to 1
for _method, _status in product(sorted(METHODS), FAILURE_STATUSES):
    REQUESTS.labels(_method, _status)
LATENCY = Histogram("http_request_duration_seconds", "HTTP request latency", buckets=BUCKETS_S)

log = structlog.get_logger()


def middleware(app: ASGIApp) -> ASGIApp:
    """Wrap the application so that every HTTP request has an id, headers, a timeout, a log line and metrics."""

    async def outermost(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        started, method = perf_counter(), str(scope.get("method", ""))
        request_id = choose_request_id(dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1"))
        scope.setdefault("state", {})["request_id"] = request_id
        if method == "HEAD":  # RFC 9110 9.3.2: the response to GET without its body, which Litestar does not offer
            scope["method"] = "GET"
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await timeouts.with_timeout(app, scope, receive, _response_sender(scope, send, method))
            finally:
                _log_request(scope, method, perf_counter() - started)

    return outermost


def choose_request_id(sent: str) -> str:
    """The id that the client sent when it is valid, else a new one."""
    return sent if VALID_ID.fullmatch(sent) else f"{getrandbits(128):032x}"


def _response_sender(scope: Scope, send: Send, method: str) -> Send:
    """A `send` that adds the headers, and holds the start of a response until its records are stored."""
    state: dict[str, Any] = scope["state"]
    held: HTTPResponseStartEvent | None = None
    has_body = method != "HEAD"

    async def send_response(message: Message) -> None:
        nonlocal held, has_body
        if message["type"] == "http.response.start":
            has_body = not etags.become_not_modified(message, scope) and has_body
            more = await rate_limits.limit_headers(scope)
            state["status"] = message["status"]  # nothing waits after this line, so no timeout can intervene
            _add_headers(message, scope, more)
            if audit_trail.is_audited(scope) or idempotency.CLAIM_KEY in state:
                timeouts.cancel_timeout(scope)  # the response exists: slow storing must not drop it
                held = message
                return
        elif message["type"] == "http.response.body":
            if not has_body:
                message["body"] = b""
            if held is not None:
                start, held = held, None
                await _store_records(scope, start, message)
                await send(start)
        await send(message)

    return send_response


async def _store_records(scope: Scope, start: HTTPResponseStartEvent, body: HTTPResponseBodyEvent) -> None:
    """Store a request's audit entry, and its response for a repeated request."""
    if audit_trail.is_audited(scope):
        await audit_trail.store_entry(scope, start["status"], body["body"])
    if idempotency.CLAIM_KEY in scope["state"]:
        await idempotency.store_reply(scope, start, body["body"], whole=not body["more_body"])


def _add_headers(message: HTTPResponseStartEvent, scope: Scope, more: list[tuple[bytes, bytes]]) -> None:
    headers = [pair for pair in message.get("headers", ()) if pair[0].lower() != b"x-request-id"]
    present = {name.lower() for name, _ in headers}
    headers += [pair for pair in _RAW_HEADERS if pair[0] not in present]
    headers += [*more, (b"x-request-id", scope["state"]["request_id"].encode("latin-1"))]
    message["headers"] = [*headers, HSTS] if proxy_headers.is_tls(scope) else headers


@cache
def _counter(method: str, status: int) -> Counter:
    """The counter with these labels, cached: the library takes a lock and builds a tuple to find it each time."""
    return REQUESTS.labels(method, str(status))


def _log_request(scope: Scope, method: str, took_s: float) -> None:
    state = scope["state"]
    status = state.get("status", 499)  # the client left before the reply
    _counter(method if method in METHODS else "OTHER", status).inc()
    LATENCY.observe(took_s)
    opt = getattr(scope.get("route_handler"), "opt", {})
    write = log.debug if opt.get(audit_actions.QUIET) and status < HTTP_400_BAD_REQUEST else log.info
    write(
        "http.request",
        method=method,
        path=scope.get("path_template", "-"),
        status=status,
        took_ms=round(took_s * 1000, 1),
        principal=getattr(state.get("principal"), "user_id", None),
        code=state.get("error_code"),
    )
