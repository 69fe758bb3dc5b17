"""What surrounds every request: its id, the headers of every response, one log line and two metrics at its end.

Wraps the whole application, so that it covers 404 and 405 too. Never logs bodies, headers, queries or tokens.
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
from litestar.types.asgi_types import HTTPResponseStartEvent
from prometheus_client import Counter, Histogram

from app.api.http import rate_limits, timeouts

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
QUIET = "quiet"  # `opt={QUIET: True}`: the handler's work is recorded elsewhere, so its line is logged at debug level
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)  # the client library's, without its odd ones

REQUESTS = Counter("http_requests_total", "Total number of HTTP requests", ["method", "status"])
FAILURE_STATUSES = ("500", "502", "503", "504")  # exported as 0 from the start: `rate()` misses a step from none to 1
for _method, _status in product(sorted(METHODS), FAILURE_STATUSES):
    REQUESTS.labels(_method, _status)
LATENCY = Histogram("http_request_duration_seconds", "HTTP request latency", buckets=BUCKETS_S)

log = structlog.get_logger()


def middleware(app: ASGIApp) -> ASGIApp:
    """Wrap the application so that every HTTP request has an id, headers, a log line and metrics."""

    async def outermost(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        request_id = choose_request_id(dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1"))
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await _handle(app, scope, receive, send, request_id)

    return outermost


def choose_request_id(sent: str) -> str:
    """The id that the client sent when it is valid, else a new one."""
    return sent if VALID_ID.fullmatch(sent) else f"{getrandbits(128):032x}"


async def _handle(app: ASGIApp, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
    started, method = perf_counter(), str(scope.get("method", ""))
    state: dict[str, Any] = scope.setdefault("state", {})
    state["request_id"] = request_id
    if method == "HEAD":  # RFC 9110 9.3.2: the response to GET without its body, which Litestar does not offer
        scope["method"] = "GET"  # type: ignore[typeddict-unknown-key]  # an HTTP scope has one

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            limit = await rate_limits.limit_state(scope)
            state["status"] = message["status"]  # nothing waits after this line, so no timeout can intervene
            _add_headers(message, request_id, rate_limits.limit_headers(limit) if limit else [])
        elif message["type"] == "http.response.body" and method == "HEAD":
            message["body"] = b""
        await send(message)

    try:
        await timeouts.with_timeout(
            scope, receive, send_with_headers, lambda timely_receive: app(scope, timely_receive, send_with_headers)
        )
    finally:
        _log_request(scope, method, state, perf_counter() - started)


def _add_headers(message: HTTPResponseStartEvent, request_id: str, more: list[tuple[bytes, bytes]]) -> None:
    headers = [pair for pair in message.get("headers", ()) if pair[0].lower() != b"x-request-id"]
    present = {name.lower() for name, _ in headers}
    headers += [pair for pair in _RAW_HEADERS if pair[0] not in present]
    message["headers"] = [*headers, *more, (b"x-request-id", request_id.encode("latin-1"))]


@cache
def _counter(method: str, status: int) -> Counter:
    """The counter with these labels, cached: the library takes a lock and builds a tuple to find it each time."""
    return REQUESTS.labels(method, str(status))


def _log_request(scope: Scope, method: str, state: dict[str, Any], took_s: float) -> None:
    status = state.get("status", 499)  # the client left before the reply
    _counter(method if method in METHODS else "OTHER", status).inc()
    LATENCY.observe(took_s)
    opt = getattr(scope.get("route_handler"), "opt", {})
    write = log.debug if opt.get(QUIET) and status < HTTP_400_BAD_REQUEST else log.info
    write(
        "http.request",
        method=method,
        path=scope.get("path_template", "-"),
        status=status,
        took_ms=round(took_s * 1000, 1),
        principal=getattr(state.get("principal"), "user_id", None),
        code=state.get("error_code"),
    )
