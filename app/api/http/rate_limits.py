"""Which requests count against which rate limit, and whose they are. In one place, before every handler's own guards.

A route's group is what it says, `opt={RATE: RUN}`, or follows from it: what anybody may send without a sign-in is
`auth`, other changes are `write`, the rest is `read`. Who is signed in is counted as that, everybody else by address.
"""

from typing import Any

from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import Scope

from app import queue
from app.errors import Refusal, TooMany
from app.security.auth import principals
from app.security.auth.policy import RequiredRole
from app.security.auth.principals import SAFE_METHODS, Connection
from app.security.limits.client_ip import address_of, counted_address
from app.security.limits.rate_limits import RateLimiter, RateLimitState
from app.security.limits.rejections import REJECTED
from app.settings import Settings

RATE = "rate"  # `opt={RATE: group}` on a handler, a controller or a router
AUTH, READ, WRITE, RUN, UNLIMITED = "auth", "read", "write", "run", "free"  # free: not counted, and without headers
RUN_LIMIT = {RATE: RUN}  # `opt=RUNNING`: it sets workers going
STATE_KEY = "rate_standing"  # where the request's state has it
_GROUP_KEY, _PUBLIC_KEY = "rate_group", "rate_open"  # where `declare` notes what it found
API_PREFIX = "/api/"


class RateLimitExceeded(TooMany):
    """More requests than the limit of the group."""


def create_limiter(settings: Settings) -> RateLimiter:
    """The limits of an application."""
    limits = {
        AUTH: settings.rate_limit_auth,
        READ: settings.rate_limit_read,
        WRITE: settings.rate_limit_write,
        RUN: settings.rate_limit_run,
    }
    return RateLimiter(limits, queue.client)


def declare_groups(app: Litestar) -> None:
    """Note on every handler of the API, and on others that name a group, which it is and who may call."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                if not route.path.startswith(API_PREFIX) and RATE not in handler.opt:
                    continue
                is_open = _is_public(handler)
                handler.opt[_PUBLIC_KEY] = is_open
                handler.opt[_GROUP_KEY] = handler.opt.get(RATE) or _default_group(method, is_open=is_open)


def is_counted(handler: BaseRouteHandler) -> bool:
    """Whether a handler's requests count at all, and may be refused for it."""
    return bool(handler.opt.get(_GROUP_KEY, UNLIMITED) != UNLIMITED)


async def enforce_limit(connection: Connection, handler: BaseRouteHandler) -> None:
    """Count the request; raises OverRate beyond the limit, and what `principals.resolve` raises."""
    if not is_counted(handler):
        return
    group: str = handler.opt[_GROUP_KEY]
    if handler.opt[_PUBLIC_KEY]:
        _refuse_over_limit(await _count_request(connection, group, ""))
        return
    try:
        principal = await principals.resolve_principal(connection)
    except Refusal:
        _refuse_over_limit(await _count_request(connection, group, ""))
        raise
    who = f"{principal.user_id}/{principal.key_id or ''}" if principal else ""
    _refuse_over_limit(await _count_request(connection, group, who))


async def limit_state(scope: Scope) -> RateLimitState | None:
    """Where the caller stands, for its headers; a path of the API that is none counts as reading."""
    state = scope["state"]
    if STATE_KEY in state or "route_handler" in scope or not scope["path"].startswith(API_PREFIX):
        found: RateLimitState | None = state.get(STATE_KEY)
        return found
    return await _count_request(ASGIConnection(scope), READ, "")


def limit_headers(standing: RateLimitState) -> list[tuple[bytes, bytes]]:
    """The same as header lines."""
    return [
        (b"x-ratelimit-limit", str(standing.limit).encode()),
        (b"x-ratelimit-remaining", str(standing.remaining).encode()),
        (b"x-ratelimit-reset", str(standing.reset_s).encode()),
    ]


async def _count_request(connection: Connection, group: str, who: str) -> RateLimitState | None:
    """One request of a principal, or, when there is none, of an address."""
    rates: RateLimiter = connection.app.state.rates
    standing = await rates.count_request(group, who or f"at {counted_address(address_of(connection))}")
    connection.scope["state"][STATE_KEY] = standing
    return standing


def _refuse_over_limit(standing: RateLimitState | None) -> None:
    if standing and standing.wait_s:
        REJECTED.labels("rate").inc()
        raise RateLimitExceeded("API rate limit exceeded", retry_after_s=standing.wait_s, limit=standing.limit)


def _is_public(handler: HTTPRouteHandler) -> bool:
    needs: list[Any] = [one for layer in handler.ownership_layers for one in layer.guards or ()]
    return not any(isinstance(one, RequiredRole) and one.min_role is not None for one in needs)


def _default_group(method: str, *, is_open: bool) -> str:
    if method in SAFE_METHODS:
        return READ
    return AUTH if is_open else WRITE
