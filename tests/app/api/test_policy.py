"""Authorization: every caller tries every route and channel, and exactly the declared ones pass.

Each request has a query parameter that no handler knows, so an authorized caller gets a 422 and nothing happens.
"""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar, get
from litestar.handlers import BaseRouteHandler
from litestar.routes import ASGIRoute, HTTPRoute, WebSocketRoute

from app import main
from app.live.channels import CHANNEL_KINDS
from app.main import create_app
from app.security.auth import policy
from app.security.auth.policy import RequiredRole
from app.settings import Settings
from schema.status import Role
from tests.app.api.credentials import CALLERS, Person
from tests.app.api.running_app import ADMIN_TOKEN, Client, calling
from tests.app.api.sockets import connect_socket

pytestmark = pytest.mark.either_engine

PUBLIC = {
    "/",
    "/ack/{token:str}",
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
    "/api/v1/invitations/accept",
    "/api/v1/openapi.json",
    "/api/v1/push/{token:str}",
    "/api/v1/push/{token:str}/{signal:str}",
    "/api/push/{token:str}",
    "/ping/{token:str}",
    "/ping/{token:str}/{signal:str}",
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
# what somebody who may only look may change: nothing but what is their own
OF_ONES_OWN = {"auth", "api-keys", "sessions"}
# a key's scope is of the resource, whichever view shows it
NOUNS = {"checks": "monitors", "batch": "monitors", "plugins": "monitors", "results": "heartbeats"}
FOR_PEOPLE = {"auth", "users", "sessions", "invitations"}
STRANGE = {"no-such-parameter": "1"}
SOMETHING = str(UUID(int=7))
LET_IN = "let in"

Routes = list[tuple[str, str, BaseRouteHandler]]


def routes_of(app: Litestar) -> Routes:
    """(path, method, handler) of everything that can be reached; Litestar's own OPTIONS say only `Allow`."""
    found: Routes = []
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            handlers = [(route.path, method, one) for method, (one, _) in route.route_handler_map.items()]
            found += [row for row in handlers if row[1] != "OPTIONS"]
        elif isinstance(route, WebSocketRoute | ASGIRoute):
            found.append((route.path, "WS", route.route_handler))
    return found


def noun_of(path: str) -> str:
    first = path.removeprefix("/api/v1/").partition("/")[0]
    return NOUNS.get(first, first)


def expected_status(who: Person, path: str, method: str, least: Role | None) -> str | int:
    """The expected result: let in, or the status of the refusal."""
    if least is None:
        return LET_IN
    if who.role is None:
        return who.refusal
    is_enough = who.role.covers(least) and (not who.is_key or _may(who, noun_of(path), method))
    return LET_IN if is_enough else 403


def _may(who: Person, noun: str, method: str) -> bool:
    """What a key may of what its role may."""
    if noun in FOR_PEOPLE and method != "GET":
        return False
    wanted = f"{noun}:{'read' if method == 'GET' else 'write'}"
    return noun == "auth" or who.scopes is None or wanted in who.scopes


def at(path: str) -> str:
    """A path with something in place of its parameters."""
    return "/".join(SOMETHING if part.startswith("{") else part for part in path.split("/"))


@pytest.mark.parametrize("name", CALLERS)
async def test_every_route_lets_in_exactly_whom_it_declares(client: Client, application: Litestar, name: str) -> None:
    who, actual, expected = CALLERS[name], {}, {}
    headers = await who.authenticate(client)
    for path, method, handler in routes_of(application):
        if method == "WS":
            continue
        needs = policy.required_role(handler)
        response = await client.request(method, at(path), params=STRANGE, headers=headers)
        actual[method, path] = response.status_code if response.status_code in {401, 403} else LET_IN
        expected[method, path] = expected_status(who, path, method, needs.min_role if needs else Role.ADMIN)
    assert actual == expected


@pytest.mark.parametrize("name", CALLERS)
async def test_every_channel_lets_in_exactly_whom_it_declares(client: Client, application: Litestar, name: str) -> None:
    who = CALLERS[name]
    async with connect_socket(application, await who.authenticate(client)) as socket:
        for feed in CHANNEL_KINDS:
            socket.send_message(type="subscribe", channels=[feed.label.replace("<id>", SOMETHING)])
            received = await socket.message()
            if who.role is None:
                assert received["error"]["code"] == ("FORBIDDEN" if who.refusal == 403 else "UNAUTHORIZED")
                assert await socket.message() == {"closed": 4401}
                return
            is_enough = who.role.covers(feed.min_role) and (who.scopes is None or bool(who.scopes & {*feed.scopes}))
            assert received["type"] == ("subscribed" if is_enough else "error"), received


async def test_a_refusal_names_the_role_or_the_scope_that_is_missing(client: Client) -> None:
    narrowed = await CALLERS["key to read monitors"].authenticate(client)
    refusals = {
        (await client.get("/api/v1/proxies", headers=narrowed)).json()["error"]["details"]["needs"],
        (await client.post("/api/v1/checks/run", json={}, headers=narrowed)).json()["error"]["details"]["needs"],
    }
    assert refusals == {"proxies:read", "monitors:write"}


def test_every_route_and_channel_declares_who_may_reach_it(application: Litestar) -> None:
    bare = [(path, method) for path, method, handler in routes_of(application) if policy.required_role(handler) is None]
    assert not bare


def test_an_application_with_an_undeclared_route_does_not_start(settings: Settings) -> None:
    @get("/api/v1/open-by-mistake")
    async def bare() -> None:
        return None

    with pytest.raises(policy.UnguardedRoute, match="open-by-mistake"):
        create_app(settings, extra=[bare])


async def test_a_route_without_a_policy_is_closed(database: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    @get("/added-later")
    async def bare() -> None:
        return None

    application = create_app(replace(database, api_admin_token=ADMIN_TOKEN))
    application.register(bare)
    async with calling(application) as client:
        response = await client.get("/added-later", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    assert (response.status_code, response.json()["error"]["code"]) == (500, "INTERNAL_ERROR")
    assert "UnguardedRoute: GET /added-later has no access rule" in capsys.readouterr().out


def test_only_the_listed_routes_are_public(application: Litestar) -> None:
    free = {
        path
        for path, _, handler in routes_of(application)
        if (needs := policy.required_role(handler)) is not None and needs.min_role is None
    }
    assert free <= PUBLIC


def test_viewers_can_change_only_their_own_account(application: Litestar) -> None:
    changing = {
        noun_of(path)
        for path, method, handler in routes_of(application)
        if method not in {"GET", "WS"} and (needs := policy.required_role(handler)) and needs.min_role is Role.VIEWER
    }
    assert changing <= OF_ONES_OWN


def test_no_handler_goes_around_the_policy(application: Litestar) -> None:
    """The rule is held before every request, in one place: nothing may take that place, nor answer before it."""
    for route in application.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                assert _is_ours(handler.resolve_before_request()), (method, route.path)
                assert not handler.cache, (method, route.path)
                assert not any(isinstance(one, RequiredRole) for one in handler.resolve_guards()), (method, route.path)


def _is_ours(found: Any) -> bool:
    return found is main.admit_request or getattr(found, "func", found) is main.admit_request


def test_the_scopes_are_those_of_the_routes(application: Litestar) -> None:
    assert {"monitors:read", "monitors:write", "heartbeats:read", "proxies:write"} <= set(application.state.scopes)
    assert not {one for one in application.state.scopes if one.startswith(("checks:", "results:", "auth:"))}
