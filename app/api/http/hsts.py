"""Strict-Transport-Security on responses over TLS: browsers then never use plain HTTP (RFC 6797)."""

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from app.security.limits import proxy_headers

NAME = b"strict-transport-security"
VALUE = b"max-age=31536000"  # a year; without includeSubDomains, which may belong to others


def middleware(app: ASGIApp) -> ASGIApp:
    """Wrap the application so that every response over TLS has the header."""

    async def outermost(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or not proxy_headers.is_tls(scope):
            await app(scope, receive, send)
            return

        async def send_with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (NAME, VALUE)]
            await send(message)

        await app(scope, receive, send_with_header)

    return outermost
