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


class UnguardedRoute(Exception):  # noqa: N818  # names the fact
    """A route does not say who may reach it, or says two things."""


class AccessRule(Struct, frozen=True, kw_only=True):
    """What a route needs of its caller.

    least       None: nothing at all
    scope       of an API key that is narrowed; empty when it needs none
    for_people  no API key will do
    """

    min_role: Role | None
    scope: str = ""
    people_only: bool = False

    def authorize(self, principal: Principal) -> None:
        """Raise Forbidden for who lacks the role or the scope."""
        if self.min_role is not None:
            authorization.require_role(principal, self.min_role)
        if principal.key_id is not None:
            if self.people_only:
                raise Forbidden("An API key can't do this: sign in as a person.")
            authorization.require_scope(principal, [self.scope])


class RequiredRole:
    """A guard: lets through who has the role, or anybody when there is none."""

    def __init__(self, min_role: Role | None) -> None:
        self.min_role = min_role

    async def __call__(self, connection: Connection, _: BaseRouteHandler) -> None:
        """Raise Unauthorized for nobody, Forbidden for who lacks role or scope. Here come WebSockets."""
        if self.min_role is not None:
            scope = scopes.scope_of(connection.scope["path"], "GET")
            AccessRule(min_role=self.min_role, scope=scope).authorize(await principals.require_principal(connection))


ANYONE, VIEWER, OPERATOR, ADMIN = (
    RequiredRole(None),
    RequiredRole(Role.VIEWER),
    RequiredRole(Role.OPERATOR),
    RequiredRole(Role.ADMIN),
)


def required_role(handler: BaseRouteHandler) -> RequiredRole | None:
    """What a handler declares: the strictest of its guards."""
    ranks = {None: -1, Role.VIEWER: 0, Role.OPERATOR: 1, Role.ADMIN: 2}
    needs = [one for layer in handler.ownership_layers for one in layer.guards or () if isinstance(one, RequiredRole)]
    return max(needs, key=lambda one: ranks[one.min_role], default=None)


def declare_rules(app: Litestar) -> None:
    """Note on every HTTP handler what it needs, and in the state which scopes there are. Raises Undeclared."""
    known: set[str] = set()
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                rule = rule_of(route.path, method, handler)
                if handler.opt.setdefault(RULE, rule) != rule:
                    raise UnguardedRoute(f"{route.path} shares a handler with a path that needs another scope")
                handler.resolve_guards()[:] = [
                    one for one in handler.resolve_guards() if not isinstance(one, RequiredRole)
                ]
                known |= {rule.scope} - {""}
    app.state.scopes = tuple(sorted(known))


def rule_of(path: str, method: str, handler: HTTPRouteHandler) -> AccessRule:
    """What a route needs. Litestar's own OPTIONS say which methods there are, to anybody."""
    needs = required_role(handler)
    if method == "OPTIONS" or (needs is not None and needs.min_role is None):
        return AccessRule(min_role=None)
    if needs is None:
        raise UnguardedRoute(
            f"{method} {path} does not say who may reach it: guards=[VIEWER], or another of app.security.auth.policy"
        )
    return AccessRule(
        min_role=needs.min_role, scope=scopes.scope_of(path, method), people_only=scopes.is_people_only(path, method)
    )


async def enforce_rule(request: Request[Any, Any, Any]) -> None:
    """Hold the rule of the request's handler; a handler without one is our bug, and nobody gets in."""
    rule: AccessRule = request.route_handler.opt[RULE]
    if rule.min_role is not None:
        rule.authorize(await principals.require_principal(request))
