"""Answers that left by TLS tell browsers to come back by nothing else (RFC 6797)."""

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from app.security.limits import tls_detection

NAME = b"strict-transport-security"
VALUE = b"max-age=31536000"  # a year; other names below ours are other people's


def middleware(app: ASGIApp) -> ASGIApp:
    """The application, with the header on every answer by TLS."""

    async def outermost(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or not tls_detection.is_tls(scope):
            await app(scope, receive, send)
            return

        async def strict(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (NAME, VALUE)]
            await send(message)

        await app(scope, receive, strict)

    return outermost
