"""Responses that wait until their audit entry and their idempotent copy are stored. Wraps the whole application.

Only responses of routes that change something wait; all others are sent at once.
"""

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from litestar.types.asgi_types import HTTPResponseStartEvent

from app.api.http import audit_trail, idempotency, timeouts


def middleware(app: ASGIApp) -> ASGIApp:
    """Wrap the application so that its responses are stored before they are sent."""

    async def outermost(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        await app(scope, receive, _DelayedReply(scope, send))

    return outermost


class _DelayedReply:
    """A `send` that holds the start of a response until its first part is there and the records are stored."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._start: HTTPResponseStartEvent | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._must_be_stored():
            self._start = message
            timeouts.cancel_timeout(self._scope)  # the response exists: slow storing must not drop it
            return
        if self._start is not None and message["type"] == "http.response.body":
            start, self._start = self._start, None
            await self._store(start, message["body"], whole=not message["more_body"])
            await self._send(start)
        await self._send(message)

    def _must_be_stored(self) -> bool:
        return audit_trail.is_audited(self._scope) or idempotency.holds_claim(self._scope)

    async def _store(self, start: HTTPResponseStartEvent, body: bytes, *, whole: bool) -> None:
        if audit_trail.is_audited(self._scope):
            await audit_trail.store_entry(self._scope, start["status"], body)
        if idempotency.holds_claim(self._scope):
            await idempotency.store_reply(self._scope, start, body, whole=whole)
