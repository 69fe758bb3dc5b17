"""Nobody reaches anything without the role for it: every route says which one it needs."""

import pytest
from litestar import Litestar
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.routes import ASGIRoute, HTTPRoute, WebSocketRoute

from app.api import document
from app.security.policy import Needs
from tests.app.api.people import Client

PUBLIC = {
    "/",
    "/api/v1/auth/2fa/login",
    "/api/v1/auth/login",
    "/api/v1/auth/oidc/callback",
    "/api/v1/auth/oidc/start",
    "/api/v1/auth/passkeys/login",
    "/api/v1/auth/passkeys/login/options",
    "/api/v1/auth/refresh",
    "/api/v1/auth/register",
    "/api/v1/auth/token",
    "/api/v1/docs",
    "/api/v1/health",
    "/api/v1/openapi.json",
    "/api/v1/push/{token:str}",
    "/api/v1/push/{token:str}/{signal:str}",
    "/api/v1/ready",
    "/api/v1/redoc",
    "/api/v1/version",
    "/api/v1/ws",
    "/explorer/redoc.standalone.js",
    "/explorer/start.js",
    "/explorer/{name:str}",
    "/health",
    "/metrics",
    "/ready",
    "/swagger",
    "/swagger/index.html",
    "/ws",
}


def handlers_of(app: Litestar) -> list[tuple[str, str, BaseRouteHandler]]:
    """(path, method, handler) of everything that can be reached; Litestar's own OPTIONS say only `Allow`."""
    found: list[tuple[str, str, BaseRouteHandler]] = []
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            told = [(route.path, method, one) for method, (one, _) in route.route_handler_map.items()]
            found += [row for row in told if row[1] != "OPTIONS"]
        elif isinstance(route, WebSocketRoute | ASGIRoute):
            found.append((route.path, "WS", route.route_handler))
    return found


def test_every_route_declares_who_may_reach_it(application: Litestar) -> None:
    bare = [
        (path, method)
        for path, method, handler in handlers_of(application)
        if not any(isinstance(guard, Needs) for layer in handler.ownership_layers for guard in layer.guards or ())
    ]
    assert not bare


def test_what_anybody_may_reach_is_this_and_no_more(application: Litestar) -> None:
    free = {
        path
        for path, _, handler in handlers_of(application)
        if (needs := document.least_role(handler)) is not None and needs.least is None  # type: ignore[arg-type]  # WebSockets have guards, too
    }
    assert free <= PUBLIC


async def test_every_route_that_needs_a_role_refuses_nobody(client: Client, application: Litestar) -> None:
    for path, method, handler in handlers_of(application):
        needs = document.least_role(handler) if isinstance(handler, HTTPRouteHandler) else None
        if needs is None or needs.least is None:
            continue
        reply = await client.request(method, path.replace("{", "").replace("}", ""))
        assert reply.status_code == 401, (path, method, reply.text)


@pytest.mark.parametrize(("method", "least"), [("GET", "viewer"), ("POST", "admin"), ("DELETE", "admin")])
def test_monitors_are_read_by_viewers_and_changed_by_admins(application: Litestar, method: str, least: str) -> None:
    found = [one for path, verb, one in handlers_of(application) if "/monitors" in path and verb == method]
    roles = {
        str(needs.least) for one in found if isinstance(one, HTTPRouteHandler) and (needs := document.least_role(one))
    }
    assert least in roles
