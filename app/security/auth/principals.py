"""Who is asking: one resolver, once per request.

The first credential that is *present* decides, and a bad one is 401: `Authorization` (Bearer with an access token, an
API key or API_ADMIN_TOKEN; Basic with a user's password), then `X-API-Key`, then the cookie `session_id`. A new kind is
one more row in `SCHEMES` or one more line in `_presented`. What the store says of a holder is at most a second old.
"""

import hmac
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from msgspec.structs import replace

from app.errors import Forbidden, Unauthorized
from app.security.auth import api_keys, basic, cookies, tokens
from app.security.auth.api_keys import Grant
from app.security.auth.basic import Known
from app.security.auth.ttl_cache import Remembered
from app.security.limits import brute_force, failed_logins, tls_detection
from app.security.limits.client_ip import address_of
from schema.login_attempts import Proof, Way
from schema.status import Role
from schema.users import Principal

Connection = ASGIConnection[Any, Any, Any, Any]
HolderOf = Callable[[str], Awaitable[Principal | None]]
GrantOf = Callable[[str], Awaitable[Grant | None]]
KnownAs = Callable[[str], Awaitable[Known | None]]

COOKIE, CSRF_COOKIE, CSRF_HEADER = "session_id", "csrf_token", "X-CSRF-Token"  # names before `cookies.name_of`
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
API_ADMIN = Principal(user_id="api-admin", username="api-admin", role=Role.ADMIN, via="token")
ENDED = "The session has ended: sign in again."
KEY_ENDED = "The API key is not valid any more, or its role or scopes have changed."


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
    """The holder of a bearer token: an access token of ours, an API key, or API_ADMIN_TOKEN. Raises Unauthorized."""
    if _is_admin_token(connection, token):
        return API_ADMIN
    if token.startswith(api_keys.PREFIX):
        return await _of_key(connection, token)
    with _noting(connection, Way.TOKEN):
        sid = await _sids.of(token)
    return await _holder(connection, sid, "jwt")


async def _sid_of(token: str) -> str:
    return tokens.sid_of_access(token)


_sids = Remembered(_sid_of)  # PyJWT takes as long as the rest of a cheap request


async def still(connection: Connection, principal: Principal) -> bool:
    """Whether what somebody signed in with is good, with the same rights; for sockets that outlive their sign-in."""
    state = connection.app.state
    if principal.session_id is not None:
        holder = await _holder_of(connection)(principal.session_id)
        return holder is not None and _rights_of(holder) == _rights_of(principal)
    if principal.key_id is not None:
        grant: Grant | None = await state.grant_by_id(principal.key_id)
        if grant is None or grant.objection() or not grant.is_for(address_of(connection)):
            return False
        return _rights_of(grant.principal) == _rights_of(principal)
    if principal.via == "basic":
        known: Known | None = await state.known_as(principal.username)
        is_enough = known is not None and known.active and not known.has_second_factor
        return known is not None and is_enough and _by_password(known) == principal
    return True


def _rights_of(principal: Principal) -> tuple[Role, frozenset[str] | None, frozenset[str] | None]:
    return principal.role, principal.scopes, principal.tags


def ended(principal: Principal) -> str:
    """What to tell somebody of whom `still` is false."""
    return ENDED if principal.key_id is None else KEY_ENDED


def is_same_origin(connection: Connection) -> bool:
    """Whether the `Origin` header names us or CLIENT_URL; false when there is none."""
    origin = connection.headers.get("Origin", "")
    if not origin or origin == "null":
        return False
    try:
        theirs, client = urlsplit(origin), urlsplit(connection.app.state.settings.client_url)
    except ValueError:  # such as brackets that do not close
        return False
    own = ("https" if tls_detection.is_tls(connection.scope) else "http", connection.headers.get("Host", ""))
    return (theirs.scheme, theirs.netloc) in (own, (client.scheme, client.netloc))


async def _presented(connection: Connection) -> Principal | None:
    headers = connection.headers
    if "Authorization" in headers:
        scheme, _, value = headers["Authorization"].partition(" ")
        if (reader := SCHEMES.get(scheme.lower())) is None:
            raise Unauthorized("This way to sign in is not known: use `Authorization: Bearer <token>`, or Basic.")
        return await reader(connection, value.strip())
    if "X-API-Key" in headers:
        return await _of_api_key(connection, headers["X-API-Key"])
    if (cookie := cookies.value_of(connection, COOKIE)) is not None:
        return await _of_cookie(connection, cookie)
    return None


async def _of_api_key(connection: Connection, key: str) -> Principal:
    if _is_admin_token(connection, key):
        return API_ADMIN
    return await _of_key(connection, key)


async def _of_key(connection: Connection, key: str) -> Principal:
    """Whom an API key stands for. Raises Unauthorized for a bad one, Forbidden from another network."""
    grant_of: GrantOf = connection.app.state.grant_of
    grant = await grant_of(key)
    address = address_of(connection)
    if grant is None:
        await brute_force.refuse_if_locked(Proof.KEY, address)
        await brute_force.failed(Proof.KEY, address)
        raise Unauthorized(api_keys.UNKNOWN)
    if objection := grant.objection():
        failed_logins.note(Way.API_KEY, address, grant.principal.user_id)
        raise Unauthorized(objection)
    if not grant.is_for(address):
        failed_logins.note(Way.API_KEY, address, grant.principal.user_id)
        raise Forbidden(f"This API key may not be used from {address or 'an unknown address'}.")
    api_keys.note_use(str(grant.principal.key_id), address)
    return grant.principal


async def _of_basic(connection: Connection, value: str) -> Principal:
    """The user with this password. A browser repeats it by itself, so its pages must be ours."""
    if "Origin" in connection.headers and not is_same_origin(connection):
        raise Forbidden("A password by Basic is taken from our own pages, and from programs.")
    login, password = basic.read(value)
    known_as: KnownAs = connection.app.state.known_as
    return _by_password(await basic.check(await known_as(login), login, password, address_of(connection)))


def _by_password(known: Known) -> Principal:
    return Principal(
        user_id=known.user_id,
        username=known.username,
        role=known.role,
        via="basic",
        proof=basic.proof_of(known),
        tags=known.tags,
    )


async def _of_cookie(connection: Connection, value: str) -> Principal:
    with _noting(connection, Way.COOKIE):
        sid = tokens.sid_of_cookie(value)
    principal = await _holder(connection, sid, "cookie")
    method = connection.scope.get("method", "GET")
    proven = is_same_origin(connection) or tokens.is_csrf(sid, connection.headers.get(CSRF_HEADER, ""))
    if method not in SAFE and not proven:
        raise Forbidden("A change by cookie needs X-CSRF-Token, or an Origin that is ours.")
    return principal


@contextmanager
def _noting(connection: Connection, way: Way) -> Iterator[None]:
    """Have it recorded when somebody shows what we never signed. What has merely expired is everyday."""
    try:
        yield
    except tokens.Forged:
        failed_logins.note(way, address_of(connection))
        raise


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


SCHEMES: dict[str, Callable[[Connection, str], Awaitable[Principal]]] = {"bearer": of_token, "basic": _of_basic}
