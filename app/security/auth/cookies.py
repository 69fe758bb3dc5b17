"""Names, sets and reads our cookies.

Over TLS a cookie's name begins with `__Host-`. Browsers accept such a cookie only from this host, by TLS and for every
path, so a page of a sibling domain can't plant one (RFC 6265bis, 4.1.3.2). Over plain HTTP browsers would reject the
prefix, so the names are bare.
"""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie

from app.security.limits import proxy_headers

PREFIX = "__Host-"

Connection = ASGIConnection[Any, Any, Any, Any]


def is_secure(connection: Connection) -> bool:
    """Whether cookies are set for TLS only: this request came by TLS, or CLIENT_URL is https."""
    return connection.app.state.settings.client_url.startswith("https:") or proxy_headers.is_tls(connection.scope)


def cookie_name(connection: Connection, bare: str) -> str:
    """The cookie's full name on this connection."""
    return PREFIX + bare if is_secure(connection) else bare


def cookie_value(connection: Connection, bare: str) -> str | None:
    """The cookie's value, or None if the client did not send it under its full name."""
    return connection.cookies.get(cookie_name(connection, bare))


def make_cookie(connection: Connection, bare: str, value: str, *, max_age: int, httponly: bool) -> Cookie:
    """A cookie to set; `max_age` 0 removes it."""
    return Cookie(
        key=cookie_name(connection, bare),
        value=value,
        max_age=max_age,
        path="/",
        secure=is_secure(connection),
        httponly=httponly,
        samesite="lax",
    )
