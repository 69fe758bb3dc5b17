"""Rate limits of HTTP requests: which group a route belongs to, and which caller a request counts for.

A route names its group, `opt={RATE: RUN}`, or gets one by its kind: changes without signing in are `auth`, other
changes are `write`, the rest is `read`. Requests count per principal, anonymous ones per address. This guard runs
before every handler's own guards.
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
from app.security.limits.proxy_headers import address_of, counted_address
from app.security.limits.rate_limits import RateLimiter, RateLimitState
from app.security.limits.rejections import REJECTED
from app.settings import Settings

RATE = "rate"  # `opt={RATE: group}` on a handler, a controller or a router
AUTH, READ, WRITE, RUN, UNLIMITED = "auth", "read", "write", "run", "free"  # free: not counted, and without headers
RUN_LIMIT = {RATE: RUN}  # `opt=RUN_LIMIT`: the route makes workers run something
STATE_KEY = "rate_limit_state"  # in the request's state: its RateLimitState
_GROUP_KEY, _PUBLIC_KEY = "rate_group", "rate_public"  # in a handler's `opt`, set by `declare_groups`
API_PREFIX = "/api/"


class RateLimitExceeded(TooMany):
    """The caller sent more requests than the limit of the group allows."""


def create_limiter(settings: Settings) -> RateLimiter:
    """The rate limiter of an application, with the limits of its settings."""
    limits = {
        AUTH: settings.rate_limit_auth,
        READ: settings.rate_limit_read,
        WRITE: settings.rate_limit_write,
        RUN: settings.rate_limit_run,
    }
    return RateLimiter(limits, queue.client)


def declare_groups(app: Litestar) -> None:
    """Store the group on every handler of the API and on others that name one, and whether it is public."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                if not route.path.startswith(API_PREFIX) and RATE not in handler.opt:
                    continue
                is_public = _is_public(handler)
                handler.opt[_PUBLIC_KEY] = is_public
                handler.opt[_GROUP_KEY] = handler.opt.get(RATE) or _default_group(method, is_public=is_public)


def is_counted(handler: BaseRouteHandler) -> bool:
    """Whether requests to a handler count against a limit."""
    return bool(handler.opt.get(_GROUP_KEY, UNLIMITED) != UNLIMITED)


async def enforce_limit(connection: Connection, handler: BaseRouteHandler) -> None:
    """Count the request. Raises RateLimitExceeded over the limit, and what `principals.resolve_principal` raises."""
    group = handler.opt.get(_GROUP_KEY, UNLIMITED)
    if group == UNLIMITED:
        return
    caller, refusal = "", None
    if not handler.opt[_PUBLIC_KEY]:
        try:
            principal = await principals.resolve_principal(connection)
            caller = f"{principal.user_id}/{principal.key_id or ''}" if principal else ""
        except Refusal as error:
            refusal = error
    limit = await _count_request(connection, group, caller)
    if limit and limit.wait_s:
        REJECTED.labels("rate").inc()
        raise RateLimitExceeded("API rate limit exceeded", retry_after_s=limit.wait_s, limit=limit.limit)
    if refusal:
        raise refusal


async def limit_headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    """The caller's rate limit after this request, as headers. An unknown path of the API counts as reading."""
    limit: RateLimitState | None = scope["state"].get(STATE_KEY)
    if STATE_KEY not in scope["state"] and "route_handler" not in scope and scope["path"].startswith(API_PREFIX):
        limit = await _count_request(ASGIConnection(scope), READ, "")
    if limit is None:
        return []
    return [
        (b"x-ratelimit-limit", str(limit.limit).encode()),
        (b"x-ratelimit-remaining", str(limit.remaining).encode()),
        (b"x-ratelimit-reset", str(limit.reset_s).encode()),
    ]


async def _count_request(connection: Connection, group: str, caller: str) -> RateLimitState | None:
    """Count one request of a principal, or of the address when `caller` is empty."""
    limiter: RateLimiter = connection.app.state.rates
    limit = await limiter.count_request(group, caller or f"at {counted_address(address_of(connection))}")
    connection.scope["state"][STATE_KEY] = limit
    return limit


def _is_public(handler: HTTPRouteHandler) -> bool:
    guards: list[Any] = [guard for layer in handler.ownership_layers for guard in layer.guards or ()]
    return not any(isinstance(guard, RequiredRole) and guard.min_role is not None for guard in guards)


def _default_group(method: str, *, is_public: bool) -> str:
    if method in SAFE_METHODS:
        return READ
    return AUTH if is_public else WRITE
