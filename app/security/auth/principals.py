"""Resolves the caller of a request, once per request.

The first credential that is *present* decides, and an invalid one is 401: `Authorization` (Bearer with an access token,
an API key or API_ADMIN_TOKEN; Basic with a user's password), then `X-API-Key`, then the cookie `session_id`. To add a
kind, add a row to `SCHEMES` or a line to `_resolve_credential`. Data from the store is at most a second old.
"""

import hmac
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from msgspec.structs import replace

from app.domain.parsing.hosts import wire_authority
from app.errors import Forbidden, Unauthorized
from app.security.auth import api_keys, basic, cookies, tokens
from app.security.auth.api_keys import Grant
from app.security.auth.basic import BasicAuthUser
from app.security.auth.ttl_cache import TtlCache
from app.security.limits import brute_force, failed_logins, proxy_headers
from app.security.limits.proxy_headers import address_of
from schema.login_attempts import AuthMethod, CredentialKind
from schema.status import Role
from schema.users import Principal

Connection = ASGIConnection[Any, Any, Any, Any]
SessionLookup = Callable[[str], Awaitable[Principal | None]]
GrantLookup = Callable[[str], Awaitable[Grant | None]]
BasicUserLookup = Callable[[str], Awaitable[BasicAuthUser | None]]

SESSION_COOKIE, CSRF_COOKIE, CSRF_HEADER = "session_id", "csrf_token", "X-CSRF-Token"  # without `cookies.cookie_name`
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
API_ADMIN = Principal(user_id="api-admin", username="api-admin", role=Role.ADMIN, via="token")
SESSION_ENDED = "The session has ended. Sign in again."
KEY_ENDED = "The API key is no longer valid, or its role or scopes have changed."


async def resolve_principal(connection: Connection) -> Principal | None:
    """The caller, or None without a credential. Raises Unauthorized if it is invalid, Forbidden without CSRF proof."""
    state = connection.scope["state"]
    if "principal" not in state:
        state["principal"] = await _resolve_credential(connection)
    principal: Principal | None = state["principal"]
    return principal


async def require_principal(connection: Connection) -> Principal:
    """The caller. Raises Unauthorized without a credential."""
    principal = await resolve_principal(connection)
    if principal is None:
        raise Unauthorized("Authentication required")
    return principal


async def principal_of_token(connection: Connection, token: str) -> Principal:
    """The holder of a bearer token: an access token, an API key, or API_ADMIN_TOKEN. Raises Unauthorized."""
    if _is_admin_token(connection, token):
        return API_ADMIN
    if token.startswith(api_keys.PREFIX):
        return await _principal_of_key(connection, token)
    with _recording_forgery(connection, AuthMethod.TOKEN):
        sid = await _access_token_sids.get(token)
    return await _session_holder(connection, sid, "jwt")


async def _sid_of(token: str) -> str:
    return tokens.sid_of_access(token)


_access_token_sids = TtlCache(_sid_of)  # decoding a JWT takes as long as the rest of a cheap request


async def is_still_valid(connection: Connection, principal: Principal) -> bool:
    """Whether a principal's credential is still valid, with the same permissions; for long-lived sockets."""
    state = connection.app.state
    if principal.session_id is not None:
        holder: Principal | None = await state.holder_of(principal.session_id)
        return holder is not None and _permissions_of(holder) == _permissions_of(principal)
    if principal.key_id is not None:
        grant: Grant | None = await state.grant_by_id(principal.key_id)
        if grant is None or grant.denial_reason() or not grant.allows_address(address_of(connection)):
            return False
        return _permissions_of(grant.principal) == _permissions_of(principal)
    if principal.via == "basic":
        user: BasicAuthUser | None = await state.known_as(principal.username)
        may_sign_in = user is not None and user.active and not user.has_second_factor
        return user is not None and may_sign_in and _basic_principal(user) == principal
    return True


def _permissions_of(principal: Principal) -> tuple[Role, frozenset[str] | None, frozenset[str] | None]:
    return principal.role, principal.scopes, principal.tags


def ended_message(principal: Principal) -> str:
    """The message for a principal that is no longer valid."""
    return SESSION_ENDED if principal.key_id is None else KEY_ENDED


def is_same_origin(connection: Connection) -> bool:
    """Whether the `Origin` header names this host or CLIENT_URL; false without the header."""
    origin = connection.headers.get("Origin", "")
    if not origin or origin == "null":
        return False
    try:
        given, client = urlsplit(origin), urlsplit(connection.app.state.settings.client_url)
    except ValueError:  # such as an unclosed bracket
        return False
    own = ("https" if proxy_headers.is_tls(connection.scope) else "http", connection.headers.get("Host", ""))
    return (given.scheme, given.netloc) in (own, (client.scheme, wire_authority(client.netloc)))


async def _resolve_credential(connection: Connection) -> Principal | None:
    headers = connection.headers
    if "Authorization" in headers:
        scheme, _, value = headers["Authorization"].partition(" ")
        if (reader := SCHEMES.get(scheme.lower())) is None:
            raise Unauthorized(
                "This authentication scheme is not supported. Use `Authorization: Bearer <token>`, or Basic."
            )
        return await reader(connection, value.strip())
    if "X-API-Key" in headers:
        return await _principal_of_api_key_header(connection, headers["X-API-Key"])
    if (cookie := cookies.cookie_value(connection, SESSION_COOKIE)) is not None:
        return await _principal_of_cookie(connection, cookie)
    return None


async def _principal_of_api_key_header(connection: Connection, key: str) -> Principal:
    if _is_admin_token(connection, key):
        return API_ADMIN
    return await _principal_of_key(connection, key)


async def _principal_of_key(connection: Connection, key: str) -> Principal:
    """The principal of an API key. Raises Unauthorized for an invalid one, Forbidden from another network."""
    grant_of: GrantLookup = connection.app.state.grant_of
    grant = await grant_of(key)
    address = address_of(connection)
    if grant is None:
        await brute_force.refuse_if_locked(CredentialKind.KEY, address)
        await brute_force.record_failure(CredentialKind.KEY, address)
        raise Unauthorized(api_keys.INVALID_KEY)
    if denial_reason := grant.denial_reason():
        failed_logins.record_failed_login(AuthMethod.API_KEY, address, grant.principal.user_id)
        raise Unauthorized(denial_reason)
    if not grant.allows_address(address):
        failed_logins.record_failed_login(AuthMethod.API_KEY, address, grant.principal.user_id)
        raise Forbidden(f"This API key may not be used from {address or 'an unknown address'}.")
    api_keys.record_usage(str(grant.principal.key_id), address)
    return grant.principal


async def _principal_of_basic(connection: Connection, value: str) -> Principal:
    """The user with this password. Browsers resend it by themselves, so a browser's page must be of our own origin."""
    if "Origin" in connection.headers and not is_same_origin(connection):
        raise Forbidden("Pages of this `Origin` can't sign in with Basic. Use a page of CLIENT_URL or of this host.")
    login, password = basic.parse_credentials(value)
    known_as: BasicUserLookup = connection.app.state.known_as
    return _basic_principal(await basic.authenticate(await known_as(login), login, password, address_of(connection)))


def _basic_principal(user: BasicAuthUser) -> Principal:
    return Principal(
        user_id=user.user_id,
        username=user.username,
        role=user.role,
        via="basic",
        credential_fingerprint=basic.credential_fingerprint(user),
        tags=user.tags,
    )


async def _principal_of_cookie(connection: Connection, value: str) -> Principal:
    with _recording_forgery(connection, AuthMethod.COOKIE):
        sid = tokens.sid_of_cookie(value)
    principal = await _session_holder(connection, sid, "cookie")
    method = connection.scope.get("method", "GET")
    has_csrf_proof = is_same_origin(connection) or tokens.is_csrf_token(sid, connection.headers.get(CSRF_HEADER, ""))
    if method not in SAFE_METHODS and not has_csrf_proof:
        raise Forbidden("A change that is signed in with the cookie needs the header X-CSRF-Token, or our own Origin.")
    return principal


@contextmanager
def _recording_forgery(connection: Connection, method: AuthMethod) -> Iterator[None]:
    """Record a token or cookie that we never signed. Expired ones are common and not recorded."""
    try:
        yield
    except tokens.ForgedToken:
        failed_logins.record_failed_login(method, address_of(connection))
        raise


async def _session_holder(connection: Connection, sid: str, via: str) -> Principal:
    lookup: SessionLookup = connection.app.state.holder_of  # the store's, by `create_app`: we may not import it
    if (holder := await lookup(sid)) is None:
        raise Unauthorized(SESSION_ENDED)
    return replace(holder, via=via)


def _is_admin_token(connection: Connection, value: str) -> bool:
    token: str = connection.app.state.settings.api_admin_token
    return bool(token) and hmac.compare_digest(token.encode(), value.encode())


SCHEMES: dict[str, Callable[[Connection, str], Awaitable[Principal]]] = {
    "bearer": principal_of_token,
    "basic": _principal_of_basic,
}
