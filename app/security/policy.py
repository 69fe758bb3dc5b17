"""Who may reach a route: `guards=[VIEWER]` on every handler or controller. A route without one fails the tests."""

from litestar.handlers import BaseRouteHandler

from app.errors import Forbidden
from app.security import principals
from app.security.principals import Connection
from schema.status import Role


class Needs:
    """A guard: lets through who has the role, or anybody when there is none."""

    def __init__(self, least: Role | None) -> None:
        self.least = least

    async def __call__(self, connection: Connection, _: BaseRouteHandler) -> None:
        """Raise Unauthorized for nobody, Forbidden for somebody without the role."""
        if self.least is None:
            return
        principal = await principals.required(connection)
        if not principal.role.covers(self.least):
            raise Forbidden(f"This needs the role {self.least}; you are {principal.role}.", needs=str(self.least))


ANYONE, VIEWER, OPERATOR, ADMIN = Needs(None), Needs(Role.VIEWER), Needs(Role.OPERATOR), Needs(Role.ADMIN)

__all__ = ["ADMIN", "ANYONE", "OPERATOR", "VIEWER", "Needs"]
