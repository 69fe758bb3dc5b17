"""Users. The first one becomes admin, also when several register at the same time.

Written as SQL: `find_by_login`. With Basic authentication it runs within requests; as a Piccolo query it would cost
0.1 ms more of their 0.4 ms CPU.
"""

from typing import Any
from uuid import uuid4

from piccolo.columns import Column

from app import clock, db
from app.errors import Conflict, Forbidden, NoSuch
from app.store.tables.users import UserRow
from schema.status import Role
from schema.users import User

LOCK = 7_746_337  # any number of our own: registrations and changes of admins wait for each other
REGISTRATION_CLOSED = "Registration is closed. Ask an admin for an account."
NAME_OR_EMAIL_TAKEN = "This user name or e-mail address is taken."


class Account(User, frozen=True, kw_only=True):
    """A user with what a sign-in needs; the API never returns it."""

    password_hash: str
    active: bool


async def register(username: str, email: str, password_hash: str, *, is_open: bool) -> User:
    """Create a user: the first is admin, later ones are viewers and need open registration.

    raises  Forbidden (registration is closed), Conflict (name or e-mail address taken)
    """
    async with db.transaction():
        await db.advisory_lock(LOCK)
        is_first = not await any_exist()
        if not (is_first or is_open):
            raise Forbidden(REGISTRATION_CLOSED)
        user = build_user(username, email, Role.ADMIN if is_first else Role.VIEWER)
        await insert(user, password_hash)
    return user


def build_user(username: str, email: str, role: Role) -> User:
    """A user with a new id, not stored yet."""
    return User(id=str(uuid4()), username=username.lower(), email=email.lower(), is_admin=role is Role.ADMIN, role=role)


async def insert(user: User, password_hash: str) -> None:
    """Store a new user. Raises Conflict (name or e-mail address taken)."""
    row = UserRow(
        id=user.id, username=user.username, email=user.email, password_hash=password_hash, role=user.role.value,
        created_ms=clock.now_ms(),
    )  # fmt: skip
    if not await UserRow.insert(row).on_conflict(action="DO NOTHING"):
        raise Conflict(NAME_OR_EMAIL_TAKEN)


async def require_first_user() -> None:
    """Raise Forbidden when a user exists: registration is closed. Call it before hashing the password."""
    if await any_exist():
        raise Forbidden(REGISTRATION_CLOSED)


async def any_exist() -> bool:
    """Whether any user exists."""
    return await UserRow.exists()


async def find_by_login(login: str) -> Account | None:
    """The user with this e-mail address or user name, ignoring case."""
    found = await db.rows(
        "SELECT id, username, email, role, password_hash, active FROM users WHERE email = ?1 OR username = ?1",
        login.lower(),
    )
    if not found:
        return None
    row = found[0]
    user = _user_of(row)
    return Account(
        id=user.id,
        username=user.username,
        email=user.email,
        is_admin=user.is_admin,
        role=user.role,
        password_hash=row["password_hash"],
        active=bool(row["active"]),
    )


async def get(user_id: str) -> User:
    """One user. Raises NoSuch."""
    columns = (UserRow.id, UserRow.username, UserRow.email, UserRow.role)
    row = await UserRow.select(*columns).where(UserRow.id == user_id).first()
    if row is None:
        raise NoSuch("user", user_id)
    return _user_of(row)


async def update_password_hash(user_id: str, password_hash: str, *, old_hash: str) -> bool:
    """Replace the hash of a password; False when the password was changed meanwhile."""
    is_unchanged = (UserRow.id == user_id) & (UserRow.password_hash == old_hash)
    update = UserRow.update({UserRow.password_hash: password_hash}).where(is_unchanged)
    return bool(await update.returning(UserRow.id))


async def rename(user_id: str, *, username: str | None, email: str | None) -> User:
    """Set the name, the e-mail address or both. Raises NoSuch, Conflict (taken)."""
    username, email = username and username.lower(), email and email.lower()
    new = ((UserRow.username, username), (UserRow.email, email))
    changes: dict[Column | str, Any] = {column: value for column, value in new if value is not None}
    async with db.transaction():
        await require_unused(user_id, username=username, email=email)
        if changes:
            await UserRow.update(changes).where(UserRow.id == user_id)
    return await get(user_id)


async def require_unused(user_id: str, *, username: str | None, email: str | None) -> None:
    """Raise Conflict when another user has this name or e-mail address; None is nobody's."""
    is_taken = (UserRow.username == username) | (UserRow.email == email)
    if await UserRow.exists().where((UserRow.id != user_id) & is_taken):
        raise Conflict(NAME_OR_EMAIL_TAKEN)


def _user_of(row: dict[str, str]) -> User:
    role = Role(row["role"])
    return User(id=row["id"], username=row["username"], email=row["email"], is_admin=role is Role.ADMIN, role=role)
