"""Timeouts of requests: for their body to arrive, and for the response."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

import msgspec
from litestar.handlers import BaseRouteHandler
from litestar.types import Receive, ReceiveMessage, Scope, Send
from litestar.types.asgi_types import HTTPResponseBodyEvent, HTTPResponseStartEvent

from app.api.http import errors, rate_limits
from app.errors import LateBody, TookTooLong
from app.security.auth.principals import Connection
from app.security.limits.rejections import REJECTED
from app.settings import Settings
from schema.errors import ErrorReply

NO_TIMEOUT = "no_timeout"  # `opt={NO_TIMEOUT: True}`: a stream, or a route with a limit of its own
DEADLINE_KEY = "deadline"  # in the request's state: its asyncio.Timeout
LATE_BODY = "The body did not arrive in time."
TOOK_TOO_LONG = "The request took too long and was cancelled. Check whether it took effect before you try again."


async def with_timeout(
    scope: Scope, receive: Receive, send: Send, handle: Callable[[Receive], Awaitable[None]]
) -> None:
    """Handle a request within its timeout, or send the timeout error."""
    settings: Settings = scope["litestar_app"].state.settings
    state = scope["state"]
    try:
        async with asyncio.timeout(settings.request_timeout_s) as deadline:
            state[DEADLINE_KEY] = deadline
            await handle(_with_body_timeout(receive, settings.body_timeout_s) if _has_body(scope) else receive)
    except TimeoutError:
        if not deadline.expired():
            raise
        REJECTED.labels("time").inc()
        if "status" not in state:
            await _send_timeout(scope, send)


def exempt_from_timeout(connection: Connection, handler: BaseRouteHandler) -> None:
    """A guard that cancels the timeout for runs, which wait for their checks, and for streams."""
    if handler.opt.get(NO_TIMEOUT) or handler.opt.get(rate_limits.RATE) == rate_limits.RUN:
        cancel_timeout(connection.scope)


def cancel_timeout(scope: Scope) -> None:
    """Let the request take as long as it needs from now on, unless its time is over already."""
    deadline: asyncio.Timeout | None = scope["state"].get(DEADLINE_KEY)
    if deadline and not deadline.expired():
        deadline.reschedule(None)


def _has_body(scope: Scope) -> bool:
    """Whether the request has a body (RFC 9112, 6); without one it needs no timer."""
    return any(name in {b"content-length", b"transfer-encoding"} for name, _ in scope["headers"])


def _with_body_timeout(receive: Receive, limit_s: float) -> Receive:
    """A `receive` that raises LateBody when the body is not complete within the limit."""
    deadline_s, is_complete = monotonic() + limit_s, False

    async def timely_receive() -> ReceiveMessage:
        nonlocal is_complete
        if is_complete:
            return await receive()
        try:
            async with asyncio.timeout(max(0.0, deadline_s - monotonic())):
                message = await receive()
        except TimeoutError as error:
            REJECTED.labels("slow").inc()
            raise LateBody(LATE_BODY) from error
        is_complete = not message.get("more_body", False)
        return message

    return timely_receive


async def _send_timeout(scope: Scope, send: Send) -> None:
    refusal = TookTooLong(TOOK_TOO_LONG)
    scope["state"]["error_code"] = refusal.code
    body = msgspec.json.encode(ErrorReply(errors.error_body(refusal, scope["state"]["request_id"])))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    start_event: HTTPResponseStartEvent = {"type": "http.response.start", "status": refusal.status, "headers": headers}
    body_event: HTTPResponseBodyEvent = {"type": "http.response.body", "body": body, "more_body": False}
    await send(start_event)
    await send(body_event)
