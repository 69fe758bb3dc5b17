"""Who may reach a route: `guards=[VIEWER]` on every handler or controller; without one the app does not start.

Litestar copies a handler for each of its guards and each request, a sixth of a cheap one. So `declare` takes the guards
of HTTP routes off at the start and notes one rule on each handler; `enforce`, before every request, holds it.
"""

from typing import Any

from litestar import Litestar, Request
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.routes import HTTPRoute
from msgspec import Struct

from app.errors import Forbidden
from app.security.auth import authorization, principals, scopes
from app.security.auth.principals import Connection
from schema.status import Role
from schema.users import Principal

RULE = "rule"  # where `declare` notes what a handler needs


class Undeclared(Exception):  # noqa: N818  # names the fact
    """A route does not say who may reach it, or says two things."""


class Rule(Struct, frozen=True, kw_only=True):
    """What a route needs of its caller.

    least       None: nothing at all
    scope       of an API key that is narrowed; empty when it needs none
    for_people  no API key will do
    """

    least: Role | None
    scope: str = ""
    for_people: bool = False

    def admit(self, principal: Principal) -> None:
        """Raise Forbidden for who lacks the role or the scope."""
        if self.least is not None:
            authorization.require_role(principal, self.least)
        if principal.key_id is not None:
            if self.for_people:
                raise Forbidden("An API key can't do this: sign in as a person.")
            authorization.require_scope(principal, [self.scope])


class Needs:
    """A guard: lets through who has the role, or anybody when there is none."""

    def __init__(self, least: Role | None) -> None:
        self.least = least

    async def __call__(self, connection: Connection, _: BaseRouteHandler) -> None:
        """Raise Unauthorized for nobody, Forbidden for who lacks role or scope. Here come WebSockets."""
        if self.least is not None:
            scope = scopes.scope_of(connection.scope["path"], "GET")
            Rule(least=self.least, scope=scope).admit(await principals.required(connection))


ANYONE, VIEWER, OPERATOR, ADMIN = Needs(None), Needs(Role.VIEWER), Needs(Role.OPERATOR), Needs(Role.ADMIN)


def least_role(handler: BaseRouteHandler) -> Needs | None:
    """What a handler declares: the strictest of its guards."""
    ranks = {None: -1, Role.VIEWER: 0, Role.OPERATOR: 1, Role.ADMIN: 2}
    needs = [one for layer in handler.ownership_layers for one in layer.guards or () if isinstance(one, Needs)]
    return max(needs, key=lambda one: ranks[one.least], default=None)


def declare(app: Litestar) -> None:
    """Note on every HTTP handler what it needs, and in the state which scopes there are. Raises Undeclared."""
    known: set[str] = set()
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                rule = rule_of(route.path, method, handler)
                if handler.opt.setdefault(RULE, rule) != rule:
                    raise Undeclared(f"{route.path} shares a handler with a path that needs another scope")
                handler.resolve_guards()[:] = [one for one in handler.resolve_guards() if not isinstance(one, Needs)]
                known |= {rule.scope} - {""}
    app.state.scopes = tuple(sorted(known))


def rule_of(path: str, method: str, handler: HTTPRouteHandler) -> Rule:
    """What a route needs. Litestar's own OPTIONS say which methods there are, to anybody."""
    needs = least_role(handler)
    if method == "OPTIONS" or (needs is not None and needs.least is None):
        return Rule(least=None)
    if needs is None:
        raise Undeclared(
            f"{method} {path} does not say who may reach it: guards=[VIEWER], or another of app.security.auth.policy"
        )
    return Rule(least=needs.least, scope=scopes.scope_of(path, method), for_people=scopes.is_for_people(path, method))


async def enforce(request: Request[Any, Any, Any]) -> None:
    """Hold the rule of the request's handler; a handler without one is our bug, and nobody gets in."""
    rule: Rule = request.route_handler.opt[RULE]
    if rule.least is not None:
        rule.admit(await principals.required(request))
