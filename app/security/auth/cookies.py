"""Our cookies: what they are called, how they are set and read.

Over TLS a name begins with `__Host-`: browsers then take the cookie only from this very host, by TLS and for every
path, so that a page of a sibling domain can't plant one of its own (RFC 6265bis, 4.1.3.2). Over plain HTTP no browser
would keep such a cookie, and the names are the bare ones.
"""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie

from app.security.limits import tls_detection

PREFIX = "__Host-"

Connection = ASGIConnection[Any, Any, Any, Any]


def is_secure(connection: Connection) -> bool:
    """Whether cookies travel by TLS only: this request did, or CLIENT_URL says that people's requests do."""
    return connection.app.state.settings.client_url.startswith("https:") or tls_detection.is_tls(connection.scope)


def cookie_name(connection: Connection, bare: str) -> str:
    """What a cookie is called here."""
    return PREFIX + bare if is_secure(connection) else bare


def cookie_value(connection: Connection, bare: str) -> str | None:
    """What the client sent under the one name that counts here; None when it is not there."""
    return connection.cookies.get(cookie_name(connection, bare))


def make_cookie(connection: Connection, bare: str, value: str, *, max_age: int, httponly: bool) -> Cookie:
    """A cookie of ours; with `max_age` 0 it is removed."""
    return Cookie(
        key=cookie_name(connection, bare),
        value=value,
        max_age=max_age,
        path="/",
        secure=is_secure(connection),
        httponly=httponly,
        samesite="lax",
    )
