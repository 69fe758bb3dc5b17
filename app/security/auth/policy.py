"""Access rules of routes: `guards=[VIEWER]` on every handler or controller; without one the app does not start.

Litestar copies a handler for each of its guards on each request, which is a sixth of the cost of a cheap request.
`declare_rules` therefore removes the guards of HTTP routes at the start and puts one rule on each handler;
`enforce_rule` checks it before every request.
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

RULE = "rule"  # the key in a handler's `opt` under which `declare_rules` puts its AccessRule


class UnguardedRoute(Exception):  # noqa: N818  # names the fact
    """A route has no access rule, or two different ones."""


class AccessRule(Struct, frozen=True, kw_only=True):
    """What a route requires of its caller.

    min_role     None: anyone may call it
    scope        required of an API key with restricted scopes; empty if none is
    people_only  API keys are refused
    """

    min_role: Role | None
    scope: str = ""
    people_only: bool = False

    def authorize(self, principal: Principal) -> None:
        """Raise Forbidden if the principal lacks the role or the scope."""
        if self.min_role is not None:
            authorization.require_role(principal, self.min_role)
        if principal.key_id is not None:
            if self.people_only:
                raise Forbidden("An API key can't do this. Sign in as a user.")
            authorization.require_scope(principal, [self.scope])


class RequiredRole:
    """A guard that requires a role, or none."""

    def __init__(self, min_role: Role | None) -> None:
        self.min_role = min_role

    async def __call__(self, connection: Connection, _: BaseRouteHandler) -> None:
        """Raise Unauthorized or Forbidden. Litestar calls this for WebSockets only."""
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
    """The strictest of a handler's guards."""
    ranks = {None: -1, Role.VIEWER: 0, Role.OPERATOR: 1, Role.ADMIN: 2}
    required = [
        guard for layer in handler.ownership_layers for guard in layer.guards or () if isinstance(guard, RequiredRole)
    ]
    return max(required, key=lambda guard: ranks[guard.min_role], default=None)


def declare_rules(app: Litestar) -> None:
    """Put an access rule on every HTTP handler, and all scopes in the state. Raises UnguardedRoute."""
    known_scopes: set[str] = set()
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                rule = rule_of(route.path, method, handler)
                if handler.opt.setdefault(RULE, rule) != rule:
                    raise UnguardedRoute(f"{route.path} shares a handler with a path that needs another scope")
                guards = handler.resolve_guards()
                guards[:] = [guard for guard in guards if not isinstance(guard, RequiredRole)]
                known_scopes |= {rule.scope} - {""}
    app.state.scopes = tuple(sorted(known_scopes))


def rule_of(path: str, method: str, handler: HTTPRouteHandler) -> AccessRule:
    """The rule of a route. Litestar's own OPTIONS handlers are open to anyone."""
    required = required_role(handler)
    if method == "OPTIONS" or (required is not None and required.min_role is None):
        return AccessRule(min_role=None)
    if required is None:
        raise UnguardedRoute(
            f"{method} {path} does not say who may reach it: guards=[VIEWER], or another of app.security.auth.policy"
        )
    return AccessRule(
        min_role=required.min_role, scope=scopes.scope_of(path, method), people_only=scopes.is_people_only(path, method)
    )


async def enforce_rule(request: Request[Any, Any, Any]) -> None:
    """Enforce the rule of the request's handler. Raises Unauthorized, Forbidden, UnguardedRoute."""
    rule: AccessRule | None = request.route_handler.opt.get(RULE)
    if rule is None:  # our bug: the route was added after `declare_rules`
        raise UnguardedRoute(f"{request.method} {request.url.path} has no access rule")
    if rule.min_role is not None:
        rule.authorize(await principals.require_principal(request))
