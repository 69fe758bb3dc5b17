"""Checks whether a principal's role and scopes are enough, and names what is missing."""

from collections.abc import Sequence

from app.errors import Forbidden
from app.security.auth import scopes
from schema.status import Role
from schema.users import Principal


def require_role(principal: Principal, min_role: Role) -> None:
    """Raise Forbidden if the principal's role is lower."""
    if not principal.role.covers(min_role):
        raise Forbidden(f"This request needs the role {min_role}; you are {principal.role}.", needs=str(min_role))


def require_scope(principal: Principal, any_of: Sequence[str]) -> None:
    """Raise Forbidden, naming the scopes, if an API key has none of them."""
    if not any(scopes.covers_scope(principal.scopes, scope) for scope in any_of):
        raise Forbidden(
            f"This request needs the scope {' or '.join(any_of)}, which the API key does not have.", needs=any_of[0]
        )
