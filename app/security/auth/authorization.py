"""What a route requires of its caller; whether a principal's role and scopes are enough, and what is missing."""

from collections.abc import Sequence

from msgspec import Struct

from app.errors import Forbidden
from app.security.auth import scopes
from schema.status import Role
from schema.users import Principal


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
            require_role(principal, self.min_role)
        if principal.key_id is not None:
            if self.people_only:
                raise Forbidden("An API key can't do this. Sign in as a user.")
            require_scope(principal, [self.scope])


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
