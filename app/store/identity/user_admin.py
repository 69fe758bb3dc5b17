"""The roster: what admins do to users. There is always an admin who may sign in, whoever changes whom at once.

A change of role, of whether they may sign in, or of the password ends the user's sessions in the same transaction;
what they invited somebody to while they were an admin ends when they are none, or get a password from somebody else.
Their API keys are switched off unless the change says to keep them.
"""

from datetime import UTC, datetime
from typing import Any

from msgspec import UNSET, Struct, structs

from app import db
from app.errors import Conflict, NoSuch, Stale
from app.store.identity import api_key_auth, api_keys, basic_auth, invitations, sessions, users
from app.store.sql import containing
from schema.status import Role
from schema.user_admin import ChangedMember, KeysAfter, Member, MemberPatch

SORTS = {
    "username": "u.username",
    "email": "u.email",
    "role": "u.role",
    "created_at": "u.created_ms",
    "last_seen_at": "last_seen_ms",
}
MOST = 1_000  # users in one answer
LAST = "This is the last admin who may sign in: make somebody else admin first."
TURN = "pg_advisory_xact_lock(7746337)"  # the same as for registrations: whoever counts admins waits for the others

_ALL = (
    "SELECT u.*, (SELECT max(s.last_accessed_ms) FROM sessions s WHERE s.user_id = u.id) AS last_seen_ms FROM users u"
)
_WANTED = (
    " WHERE (CAST(?1 AS TEXT) IS NULL OR u.username LIKE lower(CAST(?1 AS TEXT)) ESCAPE '!'"
    " OR u.email LIKE lower(CAST(?1 AS TEXT)) ESCAPE '!')"
    " AND (CAST(?2 AS TEXT) IS NULL OR u.role = CAST(?2 AS TEXT))"
    " AND (CAST(?3 AS INTEGER) IS NULL OR CAST(u.active AS INTEGER) = CAST(?3 AS INTEGER))"
)
_SET = "UPDATE users SET username = ?2, email = ?3, role = ?4, active = (?5 = 1), version = version + 1 WHERE id = ?1"


class MemberQuery(Struct, frozen=True, kw_only=True):
    """Which users, in which order.

    q       part of the user name or the address, without regard to case
    sort    one of `SORTS`
    """

    q: str | None = None
    role: Role | None = None
    active: bool | None = None
    sort: str = "username"
    descending: bool = False
    limit: int = MOST
    offset: int = 0


async def add(username: str, email: str, role: Role, password_hash: str) -> Member:
    """Add a user. Raises Conflict (taken)."""
    user = users.new(username, email, role)
    await users.insert(user, password_hash)
    return await read(user.id)


async def read(user_id: str) -> Member:
    """One user. Raises NoSuch."""
    return _member(await _row(user_id))


async def browse(query: MemberQuery) -> tuple[list[Member], int]:
    """The users asked for, and how many there are in all."""
    active = None if query.active is None else int(query.active)
    wanted = (containing(query.q), query.role and query.role.value, active)
    order = f"{SORTS[query.sort]} {'DESC' if query.descending else 'ASC'}, u.id"
    counted = await db.rows(f"SELECT count(*) AS n FROM users u{_WANTED}", *wanted)
    found = await db.rows(f"{_ALL}{_WANTED} ORDER BY {order} LIMIT ?4 OFFSET ?5", *wanted, query.limit, query.offset)
    return [_member(row) for row in found], int(counted[0]["n"])


async def change(user_id: str, patch: MemberPatch, *, version: int | None = None) -> ChangedMember:
    """Change what is mentioned. Raises NoSuch, Stale, Conflict (taken, or the last admin)."""
    revoked = 0
    async with db.writing():
        await _take_turn()
        old = _member(await _row(user_id))
        _refuse_stale(old, version)
        new = _merged(old, patch)
        await _refuse_taken(new)
        await db.rows(_SET, user_id, new.username, new.email, new.role.value, int(new.active))
        if (new.role, new.active) != (old.role, old.active):
            await _refuse_without_admins(old)
            await sessions.end_others(user_id)
            if not (new.active and new.role is Role.ADMIN):
                await invitations.revoke_of(user_id)
        if patch.keys is KeysAfter.REVOKE and _is_less(new, old):
            revoked = await api_keys.revoke_of(user_id)
        changed = await read(user_id)
    _forget()  # once more: what was read meanwhile was from before the commit
    return ChangedMember(**structs.asdict(changed), keys_revoked=revoked)


def _is_less(new: Member, old: Member) -> bool:
    """Whether somebody may do less than before."""
    return (old.active and not new.active) or not new.role.covers(old.role)


async def set_password(user_id: str, password_hash: str, *, keys: KeysAfter, keeping: str | None = None) -> int:
    """Give a user another password; their sessions end, except `keeping`. Raises NoSuch.

    keeping  the session of who changes their own; without one, what they invited others to ends as well
    returns  how many of their API keys were switched off
    """
    async with db.writing():
        found = await db.rows(
            "UPDATE users SET password_hash = ?2, version = version + 1 WHERE id = ?1 RETURNING id",
            user_id,
            password_hash,
        )
        if not found:
            raise NoSuch("user", user_id)
        await sessions.end_others(user_id, keep=keeping)
        if keeping is None:
            await invitations.revoke_of(user_id)
        revoked = await api_keys.revoke_of(user_id) if keys is KeysAfter.REVOKE else 0
    _forget()
    return revoked


async def remove(user_id: str, *, version: int | None = None) -> None:
    """Delete a user, their sessions with them. Raises NoSuch, Stale, Conflict (the last admin)."""
    async with db.writing():
        await _take_turn()
        old = _member(await _row(user_id))
        _refuse_stale(old, version)
        await db.rows("DELETE FROM users WHERE id = ?1", user_id)
        await _refuse_without_admins(old)
        await invitations.revoke_of(user_id)
    _forget()


async def _take_turn() -> None:
    """Wait for whoever counts admins. SQLite has one writer anyway, and CockroachDB no need: it is serializable."""
    if not db.is_sqlite():
        await db.rows(f"SELECT {TURN}")


async def _refuse_without_admins(old: Member) -> None:
    """Raise Conflict, which undoes the change, when it took the last admin who may sign in."""
    if not (old.active and old.role is Role.ADMIN):
        return
    if not await db.rows("SELECT 1 AS one FROM users WHERE role = 'admin' AND active LIMIT 1"):
        raise Conflict(LAST)


async def _refuse_taken(new: Member) -> None:
    taken = await db.rows(
        "SELECT 1 AS one FROM users WHERE id <> ?1 AND (username = ?2 OR email = ?3)", new.id, new.username, new.email
    )
    if taken:
        raise Conflict(users.TAKEN)


def _refuse_stale(old: Member, version: int | None) -> None:
    if version is not None and version != old.version:
        raise Stale(f"The user is at version {old.version} by now: read it again.", version=old.version)


def _merged(old: Member, patch: MemberPatch) -> Member:
    """The user after the patch."""
    return Member(
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


def _member(row: Any) -> Member:
    role, seen_ms = Role(row["role"]), row["last_seen_ms"]
    return Member(
        id=row["id"],
        username=row["username"],
        email=row["email"],
        role=role,
        is_admin=role is Role.ADMIN,
        active=bool(row["active"]),
        created_at=_instant(row["created_ms"]),
        last_seen_at=None if seen_ms is None else _instant(seen_ms),
        version=row["version"],
    )


async def _row(user_id: str) -> Any:
    found = await db.rows(f"{_ALL} WHERE u.id = ?1", user_id)
    if not found:
        raise NoSuch("user", user_id)
    return found[0]


def _instant(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def _forget() -> None:
    """Ask the store again whom sessions, keys and passwords let in."""
    sessions.forget()
    api_key_auth.forget()
    basic_auth.forget()
