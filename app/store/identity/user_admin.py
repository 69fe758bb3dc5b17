"""User management by admins. One active admin always remains, also with concurrent changes.

A change of role, of `active` or of the password ends the user's sessions in the same transaction. Open invitations of
an admin are revoked when the admin loses the role, or gets a password from another admin. The user's API keys are
deactivated unless the change keeps them.
Written as SQL: users with their newest session, which is a subquery.
"""

from typing import Any

from msgspec import UNSET, structs
from piccolo.columns import Column

from app import clock, db
from app.errors import Conflict, NoSuch
from app.store.identity import api_keys, credential_caches, invitations, sessions, users
from app.store.listing import Listing, ListQuery
from app.store.name_search import matches_sql, matching_ids
from app.store.tables.users import UserRow
from app.store.versions import ExpectedVersion, check_version
from schema.status import Role
from schema.user_admin import ApiKeyAction, UpdatedUser, UserDetail, UserPatch

SORTS = {
    "username": "u.username",
    "email": "u.email",
    "role": "u.role",
    "created_at": "u.created_ms",
    "last_seen_at": "last_seen_ms",
}
LAST_ADMIN = "This is the last active admin. Make another user an admin first."

_SELECT = (
    "SELECT u.*, (SELECT max(s.last_accessed_ms) FROM sessions s WHERE s.user_id = u.id) AS last_seen_ms FROM users u"
)
_FILTERS = (
    f" WHERE {matches_sql('u.id', 1)}"
    " AND (CAST(?2 AS TEXT) IS NULL OR u.role = CAST(?2 AS TEXT))"
    " AND (CAST(?3 AS INTEGER) IS NULL OR CAST(u.active AS INTEGER) = CAST(?3 AS INTEGER))"
)
_LISTING = Listing(
    select=_SELECT,
    count="SELECT count(*) AS n FROM users u",
    filters=_FILTERS,
    sorts=SORTS,
    key="u.id",
)


class UserQuery(ListQuery, frozen=True, kw_only=True):
    """Which users, in which order.

    q       part of the user name or the e-mail address, ignoring case
    sort    one of `SORTS`
    """

    q: str | None = None
    role: Role | None = None
    active: bool | None = None
    sort: str = "username"


async def create(username: str, email: str, role: Role, password_hash: str) -> UserDetail:
    """Create a user. Raises Conflict (taken)."""
    user = users.build_user(username, email, role)
    await users.insert(user, password_hash)
    return await get(user.id)


async def get(user_id: str) -> UserDetail:
    """One user. Raises NoSuch."""
    return _user_detail_of(await _row(user_id))


async def list_page(query: UserQuery) -> tuple[list[UserDetail], int]:
    """One page of users, and their total."""
    active = None if query.active is None else int(query.active)
    matches = await matching_ids(query.q, UserRow.id, UserRow.username, UserRow.email)
    filters = (matches, query.role and query.role.value, active)
    found, total = await _LISTING.read(query, filters)
    return [_user_detail_of(row) for row in found], total


async def update(user_id: str, patch: UserPatch, *, version: ExpectedVersion = None) -> UpdatedUser:
    """Apply a patch. Raises NoSuch, Stale, Conflict (taken, or the last admin)."""
    revoked = 0
    async with db.transaction():
        await db.advisory_lock(users.LOCK)
        old = _user_detail_of(await _row(user_id))
        check_version("user", old.version, version)
        new = _apply_patch(old, patch)
        await users.require_unused(new.id, username=new.username, email=new.email)
        await _save(new)
        if (new.role, new.active) != (old.role, old.active):
            await _require_admin_left(old)
            await sessions.end_others(user_id)
            if not (new.active and new.role is Role.ADMIN):
                await invitations.revoke_for_inviter(user_id)
        if patch.api_keys is ApiKeyAction.REVOKE and _loses_rights(new, old):
            revoked = await api_keys.revoke_for_user(user_id)
        updated = await get(user_id)
    credential_caches.clear_caches()  # again: entries cached meanwhile are from before the commit
    return UpdatedUser(**structs.asdict(updated), api_keys_revoked=revoked)


def _loses_rights(new: UserDetail, old: UserDetail) -> bool:
    """Whether the user may do less than before."""
    return (old.active and not new.active) or not new.role.covers(old.role)


async def set_password(
    user_id: str, password_hash: str, *, key_action: ApiKeyAction, keep_session: str | None = None
) -> int:
    """Set a user's password and end the user's sessions, except `keep_session`. Raises NoSuch.

    keep_session  the session of a user who changes the own password; without one, open invitations are revoked, too
    returns       how many of the user's API keys were deactivated
    """
    async with db.transaction():
        update = UserRow.update({UserRow.password_hash: password_hash, UserRow.version: UserRow.version + 1})
        if not await update.where(UserRow.id == user_id).returning(UserRow.id):
            raise NoSuch("user", user_id)
        await sessions.end_others(user_id, except_id=keep_session)
        if keep_session is None:
            await invitations.revoke_for_inviter(user_id)
        revoked = await api_keys.revoke_for_user(user_id) if key_action is ApiKeyAction.REVOKE else 0
    credential_caches.clear_caches()
    return revoked


async def delete(user_id: str, *, version: ExpectedVersion = None) -> str:
    """Delete a user and the user's sessions; returns the user name. Raises NoSuch, Stale, Conflict (the last admin)."""
    async with db.transaction():
        await db.advisory_lock(users.LOCK)
        old = _user_detail_of(await _row(user_id))
        check_version("user", old.version, version)
        await UserRow.delete().where(UserRow.id == user_id)
        await _require_admin_left(old)
        await invitations.revoke_for_inviter(user_id)
    credential_caches.clear_caches()
    return old.username


async def _require_admin_left(old: UserDetail) -> None:
    """Raise Conflict, which rolls the change back, when no active admin remains."""
    if not (old.active and old.role is Role.ADMIN):
        return
    if not await UserRow.exists().where((UserRow.role == Role.ADMIN.value) & UserRow.active.eq(True)):
        raise Conflict(LAST_ADMIN)


async def _save(new: UserDetail) -> None:
    values: dict[Column | str, Any] = {
        UserRow.username: new.username,
        UserRow.email: new.email,
        UserRow.role: new.role.value,
        UserRow.active: new.active,
        UserRow.version: UserRow.version + 1,
    }
    await UserRow.update(values).where(UserRow.id == new.id)


def _apply_patch(old: UserDetail, patch: UserPatch) -> UserDetail:
    """The user after the patch."""
    return UserDetail(
        id=old.id,
        username=old.username if patch.username is UNSET else patch.username.lower(),
        email=old.email if patch.email is UNSET else patch.email.lower(),
        role=(role := old.role if patch.role is UNSET else patch.role),
        is_admin=role is Role.ADMIN,
        active=old.active if patch.active is UNSET else patch.active,
        created_at=old.created_at,
        last_seen_at=old.last_seen_at,
        version=old.version,
    )


def _user_detail_of(row: Any) -> UserDetail:
    role = Role(row["role"])
    return UserDetail(
        id=row["id"],
        username=row["username"],
        email=row["email"],
        role=role,
        is_admin=role is Role.ADMIN,
        active=bool(row["active"]),
        created_at=clock.instant(row["created_ms"]),
        last_seen_at=clock.instant_or_none(row["last_seen_ms"]),
        version=row["version"],
    )


async def _row(user_id: str) -> Any:
    found = await db.rows(f"{_SELECT} WHERE u.id = ?1", user_id)
    if not found:
        raise NoSuch("user", user_id)
    return found[0]
