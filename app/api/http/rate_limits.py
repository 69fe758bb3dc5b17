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
from app.security.auth.policy import Needs
from app.security.auth.principals import SAFE, Connection
from app.security.limits.client_ip import address_of, place_of
from app.security.limits.rate_limits import Rates, Standing
from app.security.limits.rejections import REFUSED
from app.settings import Settings

RATE = "rate"  # `opt={RATE: group}` on a handler, a controller or a router
AUTH, READ, WRITE, RUN, FREE = "auth", "read", "write", "run", "free"  # free: not counted, and without headers
RUNNING = {RATE: RUN}  # `opt=RUNNING`: it sets workers going
STANDING = "rate_standing"  # where the request's state has it
_GROUP, _OPEN = "rate_group", "rate_open"  # where `declare` notes what it found
API = "/api/"


class OverRate(TooMany):
    """More requests than the limit of the group."""


def of(settings: Settings) -> Rates:
    """The limits of an application."""
    limits = {
        AUTH: settings.rate_limit_auth,
        READ: settings.rate_limit_read,
        WRITE: settings.rate_limit_write,
        RUN: settings.rate_limit_run,
    }
    return Rates(limits, queue.client)


def declare(app: Litestar) -> None:
    """Note on every handler of the API, and on others that name a group, which it is and who may call."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                if not route.path.startswith(API) and RATE not in handler.opt:
                    continue
                is_open = _is_open(handler)
                handler.opt[_OPEN] = is_open
                handler.opt[_GROUP] = handler.opt.get(RATE) or _usual(method, is_open=is_open)


def is_counted(handler: BaseRouteHandler) -> bool:
    """Whether a handler's requests count at all, and may be refused for it."""
    return bool(handler.opt.get(_GROUP, FREE) != FREE)


async def within(connection: Connection, handler: BaseRouteHandler) -> None:
    """Count the request; raises OverRate beyond the limit, and what `principals.resolve` raises."""
    if not is_counted(handler):
        return
    group: str = handler.opt[_GROUP]
    if handler.opt[_OPEN]:
        _refuse_beyond(await _counted(connection, group, ""))
        return
    try:
        principal = await principals.resolve(connection)
    except Refusal:
        _refuse_beyond(await _counted(connection, group, ""))
        raise
    who = f"{principal.user_id}/{principal.key_id or ''}" if principal else ""
    _refuse_beyond(await _counted(connection, group, who))


async def standing_of(scope: Scope) -> Standing | None:
    """Where the caller stands, for its headers; a path of the API that is none counts as reading."""
    state = scope["state"]
    if STANDING in state or "route_handler" in scope or not scope["path"].startswith(API):
        found: Standing | None = state.get(STANDING)
        return found
    return await _counted(ASGIConnection(scope), READ, "")


def headers_of(standing: Standing) -> list[tuple[bytes, bytes]]:
    """The same as header lines."""
    return [
        (b"x-ratelimit-limit", str(standing.limit).encode()),
        (b"x-ratelimit-remaining", str(standing.remaining).encode()),
        (b"x-ratelimit-reset", str(standing.reset_s).encode()),
    ]


async def _counted(connection: Connection, group: str, who: str) -> Standing | None:
    """One request of a principal, or, when there is none, of an address."""
    rates: Rates = connection.app.state.rates
    standing = await rates.take(group, who or f"at {place_of(address_of(connection))}")
    connection.scope["state"][STANDING] = standing
    return standing


def _refuse_beyond(standing: Standing | None) -> None:
    if standing and standing.wait_s:
        REFUSED.labels("rate").inc()
        raise OverRate("API rate limit exceeded", retry_after_s=standing.wait_s, limit=standing.limit)


def _is_open(handler: HTTPRouteHandler) -> bool:
    needs: list[Any] = [one for layer in handler.ownership_layers for one in layer.guards or ()]
    return not any(isinstance(one, Needs) and one.least is not None for one in needs)


def _usual(method: str, *, is_open: bool) -> str:
    if method in SAFE:
        return READ
    return AUTH if is_open else WRITE
