"""How long a request may take: its body to arrive, and we to answer. Slow ones end, others are not held up by them."""

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

NO_TIMEOUT = "unhurried"  # `opt={UNHURRIED: True}`: a stream, or what has a limit of its own
DEADLINE_KEY = "deadline"  # where the request's state has it
LATE_BODY = "The body did not arrive in time."
TOOK_TOO_LONG = "This took too long and was given up; look whether it was done before you try again."


async def with_timeout(
    scope: Scope, receive: Receive, send: Send, answer: Callable[[Receive], Awaitable[None]]
) -> None:
    """Have a request answered in time, or say that it was not."""
    settings: Settings = scope["litestar_app"].state.settings
    state = scope["state"]
    try:
        async with asyncio.timeout(settings.request_timeout_s) as deadline:
            state[DEADLINE_KEY] = deadline
            await answer(_with_body_timeout(receive, settings.body_timeout_s) if _has_body(scope) else receive)
    except TimeoutError:
        if not deadline.expired():
            raise
        REJECTED.labels("time").inc()
        if "status" not in state:
            await _send_timeout(scope, send)


def exempt_from_timeout(connection: Connection, handler: BaseRouteHandler) -> None:
    """Lift the limit where it does not hold: runs wait for what they run, and streams for their end."""
    if handler.opt.get(NO_TIMEOUT) or handler.opt.get(rate_limits.RATE) == rate_limits.RUN:
        cancel_timeout(connection.scope)


def cancel_timeout(scope: Scope) -> None:
    """Give up nothing from here on; what is over already stays so."""
    deadline: asyncio.Timeout | None = scope["state"].get(DEADLINE_KEY)
    if deadline and not deadline.expired():
        deadline.reschedule(None)


def _has_body(scope: Scope) -> bool:
    """Whether a body is on its way (RFC 9112, 6); the others are spared a timer."""
    return any(name in {b"content-length", b"transfer-encoding"} for name, _ in scope["headers"])


def _with_body_timeout(receive: Receive, limit_s: float) -> Receive:
    """The same messages, as long as the body is complete within the limit; raises LateBody."""
    until_s, is_whole = monotonic() + limit_s, False

    async def received() -> ReceiveMessage:
        nonlocal is_whole
        if is_whole:
            return await receive()
        try:
            async with asyncio.timeout(max(0.0, until_s - monotonic())):
                message = await receive()
        except TimeoutError as error:
            REJECTED.labels("slow").inc()
            raise LateBody(LATE_BODY) from error
        is_whole = not message.get("more_body", False)
        return message

    return received


async def _send_timeout(scope: Scope, send: Send) -> None:
    refusal = TookTooLong(TOOK_TOO_LONG)
    scope["state"]["error_code"] = refusal.code
    body = msgspec.json.encode(ErrorReply(errors.error_body(refusal, scope["state"]["request_id"])))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    begin: HTTPResponseStartEvent = {"type": "http.response.start", "status": refusal.status, "headers": headers}
    end: HTTPResponseBodyEvent = {"type": "http.response.body", "body": body, "more_body": False}
    await send(begin)
    await send(end)
