"""Users who sign in with Basic authentication, cached for a second, like sessions and API keys."""

from app.security.auth.basic import BasicAuthUser
from app.security.auth.ttl_cache import TtlCache
from app.store.identity import mfa, users, viewer_tags
from schema.status import Role

NO_USER_ID = ""


async def _load_user(login: str) -> BasicAuthUser | None:
    account = await users.find_by_login(login)
    if account is None:
        await mfa.get_status(NO_USER_ID)  # known and unknown logins take equally long, even without a password hash
        await viewer_tags.scope_of(NO_USER_ID, Role.VIEWER)
        return None
    return BasicAuthUser(
        user_id=account.id,
        username=account.username,
        role=account.role,
        active=account.active,
        password_hash=account.password_hash,
        has_second_factor=(await mfa.get_status(account.id)).enabled,
        tags=await viewer_tags.scope_of(account.id, account.role),
    )


_cache = TtlCache(_load_user)
find_user = _cache.get  # by e-mail address or user name; None: no such user


def clear_cache() -> None:
    """Read users from the store again; after a change of users, and for tests."""
    _cache.clear()
