"""What a principal may: whether its role and its scopes are enough, said in words when they are not."""

from collections.abc import Sequence

from app.errors import Forbidden
from app.security.auth import scopes
from schema.status import Role
from schema.users import Principal


def require_role(principal: Principal, least: Role) -> None:
    """Raise Forbidden for a lesser role."""
    if not principal.role.covers(least):
        raise Forbidden(f"This needs the role {least}; you are {principal.role}.", needs=str(least))


def require_scope(principal: Principal, any_of: Sequence[str]) -> None:
    """Raise Forbidden, naming the scope, for an API key that has none of these."""
    if not any(scopes.cover(principal.scopes, one) for one in any_of):
        raise Forbidden(f"This needs the scope {' or '.join(any_of)}; the API key lacks it.", needs=any_of[0])
