"""Accounts of users who sign in by password with every request: remembered for a second, as sessions and keys are."""

from app.security.auth.basic import Known
from app.security.auth.ttl_cache import Remembered
from app.store.identity import mfa, users, viewer_tags
from schema.status import Role

NOBODY = ""


async def _named(login: str) -> Known | None:
    account = await users.named(login)
    if account is None:
        await mfa.of(NOBODY)  # somebody and nobody take equally long, also where no password is hashed
        await viewer_tags.of(NOBODY, Role.VIEWER)
        return None
    return Known(
        user_id=account.id,
        username=account.username,
        role=account.role,
        active=account.active,
        password_hash=account.password_hash,
        has_second_factor=(await mfa.of(account.id)).enabled,
        tags=await viewer_tags.of(account.id, account.role),
    )


_known = Remembered(_named)
known_as = _known.of  # by e-mail address or user name; None: there is nobody of that name


def forget() -> None:
    """Ask the store about everybody again; for a change of users, and for tests."""
    _known.forget()
