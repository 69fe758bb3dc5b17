"""Who is asking: one resolver, once per request.

The first credential that is *present* decides, and a bad one is 401: `Authorization`, then `X-API-Key`, then the
cookie `session_id`. A new kind of credential is one more row in `SCHEMES` or one more line in `_presented`.
"""

import hmac
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from msgspec.structs import replace

from app.errors import Forbidden, Unauthorized
from app.security import tokens
from schema.status import Role
from schema.users import Principal

Connection = ASGIConnection[Any, Any, Any, Any]
HolderOf = Callable[[str], Awaitable[Principal | None]]

COOKIE, CSRF_COOKIE, CSRF_HEADER = "session_id", "csrf_token", "X-CSRF-Token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
API_ADMIN = Principal(user_id="api-admin", username="api-admin", role=Role.ADMIN, via="token")
ENDED = "The session has ended: sign in again."


async def resolve(connection: Connection) -> Principal | None:
    """The caller, or None for nobody. Raises Unauthorized for a bad credential, Forbidden without CSRF proof."""
    state = connection.scope["state"]
    if "principal" not in state:
        state["principal"] = await _presented(connection)
    principal: Principal | None = state["principal"]
    return principal


async def required(connection: Connection) -> Principal:
    """The caller; raises Unauthorized for nobody."""
    principal = await resolve(connection)
    if principal is None:
        raise Unauthorized("Authentication required")
    return principal


async def of_token(connection: Connection, token: str) -> Principal:
    """The holder of a bearer token: an access token of ours, or API_ADMIN_TOKEN. Raises Unauthorized."""
    if _is_admin_token(connection, token):
        return API_ADMIN
    return await _holder(connection, tokens.sid_of_access(token), "jwt")


async def still(connection: Connection, principal: Principal) -> bool:
    """Whether the principal's session goes on, with the same rights; for sockets that outlive their sign-in."""
    if principal.session_id is None:
        return True
    holder = await _holder_of(connection)(principal.session_id)
    return holder is not None and (holder.role, holder.tags) == (principal.role, principal.tags)


def is_same_origin(connection: Connection) -> bool:
    """Whether the `Origin` header names us or CLIENT_URL; false when there is none."""
    origin = connection.headers.get("Origin", "")
    if not origin or origin == "null":
        return False
    theirs, client = urlsplit(origin), urlsplit(connection.app.state.settings.client_url)
    own = (connection.url.scheme.replace("ws", "http"), connection.headers.get("Host", ""))
    return (theirs.scheme, theirs.netloc) in (own, (client.scheme, client.netloc))


async def _presented(connection: Connection) -> Principal | None:
    headers = connection.headers
    if "Authorization" in headers:
        scheme, _, value = headers["Authorization"].partition(" ")
        if (reader := SCHEMES.get(scheme.lower())) is None:
            raise Unauthorized("This way to sign in is not known: use `Authorization: Bearer <token>`.")
        return await reader(connection, value.strip())
    if "X-API-Key" in headers:
        return await _of_api_key(connection, headers["X-API-Key"])
    if COOKIE in connection.cookies:
        return await _of_cookie(connection, connection.cookies[COOKIE])
    return None


async def _of_api_key(connection: Connection, key: str) -> Principal:
    if _is_admin_token(connection, key):
        return API_ADMIN
    raise Unauthorized("The API key is not valid.")


async def _of_cookie(connection: Connection, value: str) -> Principal:
    sid = tokens.sid_of_cookie(value)
    principal = await _holder(connection, sid, "cookie")
    method = connection.scope.get("method", "GET")
    proven = is_same_origin(connection) or tokens.is_csrf(sid, connection.headers.get(CSRF_HEADER, ""))
    if method not in SAFE and not proven:
        raise Forbidden("A change by cookie needs X-CSRF-Token, or an Origin that is ours.")
    return principal


async def _holder(connection: Connection, sid: str, via: str) -> Principal:
    holder = await _holder_of(connection)(sid)
    if holder is None:
        raise Unauthorized(ENDED)
    return replace(holder, via=via)


def _holder_of(connection: Connection) -> HolderOf:
    """The store's answer to "whose session is this"; from `create_app`, since this room lies below the store."""
    lookup: HolderOf = connection.app.state.holder_of
    return lookup


def _is_admin_token(connection: Connection, value: str) -> bool:
    token: str = connection.app.state.settings.api_admin_token
    return bool(token) and hmac.compare_digest(token.encode(), value.encode())


SCHEMES: dict[str, Callable[[Connection, str], Awaitable[Principal]]] = {"bearer": of_token}
