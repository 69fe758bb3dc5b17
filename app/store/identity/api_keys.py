"""API keys: made, changed, listed, removed. Nobody gives out a key that goes further than they do themselves."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import UNSET, Struct

from app import clock, db
from app.domain.identity import api_key_limits
from app.domain.identity.api_key_limits import KeyLimits
from app.errors import Conflict, Forbidden, Invalid, NoSuch, Unauthorized
from app.security.auth import api_keys
from app.security.auth.principals import SESSION_ENDED
from app.store.identity import api_key_auth, api_key_pepper
from app.store.sql import contains_pattern
from app.store.tables.api_keys import ApiKeyRow
from app.store.versions import check_version
from schema.api_keys import ApiKey, ApiKeyDraft, ApiKeyPatch
from schema.errors import FieldError
from schema.status import Role
from schema.users import Principal

SORTS = {
    "name": "lower(k.name)",
    "created_at": "k.created_ms",
    "updated_at": "k.updated_ms",
    "last_used_at": "COALESCE(k.last_used_ms, 0)",
}
MAX_PAGE_SIZE = 1_000  # keys in one answer
MAX_PER_USER = 200  # keys of one person
NO_OWNER = "Keys belong to people, and this token is nobody's: sign in as a user."

_FROM = " FROM api_keys k JOIN users u ON u.id = k.user_id"
_SELECT = f"SELECT k.*, u.username, u.role AS owner_role{_FROM}"
_FILTERS = (
    " WHERE (CAST(?1 AS TEXT) IS NULL OR lower(k.name) LIKE lower(CAST(?1 AS TEXT)) ESCAPE '!')"
    " AND (CAST(?2 AS TEXT) IS NULL OR k.user_id = CAST(?2 AS TEXT))"
)


_OWNER_STATE = """
SELECT (SELECT count(*) FROM api_keys WHERE user_id = ?1) AS n, CASE WHEN CAST(?2 AS TEXT) IS NULL OR EXISTS (
    SELECT 1 FROM sessions s WHERE s.id = CAST(?2 AS TEXT) AND s.ended_ms IS NULL) THEN 1 ELSE 0 END AS lives
FROM users WHERE id = ?1
"""


class ApiKeyQuery(Struct, frozen=True, kw_only=True):
    """Which keys, in which order.

    q        part of the name, without regard to case
    user_id  whose; None: everybody's
    sort     one of `SORTS`
    """

    q: str | None = None
    user_id: str | None = None
    sort: str = "name"
    descending: bool = False
    limit: int = MAX_PAGE_SIZE
    offset: int = 0


async def create(draft: ApiKeyDraft, caller: Principal, scopes: Collection[str]) -> tuple[ApiKey, str]:
    """Make a key of the caller's: the key as it is kept, and the secret itself. Raises Invalid, Forbidden, Conflict.

    scopes    those that the running application knows
    """
    columns = _columns_of(draft, list(draft.__struct_fields__), await _caller_limits(caller, caller.role), scopes)
    await _check_owner(caller)
    secret, now = api_keys.generate_key(), clock.now_ms()
    row = ApiKeyRow(
        id=str(uuid4()),
        user_id=caller.user_id,
        prefix=secret[: api_keys.VISIBLE_CHARS],
        hash=api_keys.key_digest(secret, await api_key_pepper.get()),
        created_ms=now,
        updated_ms=now,
        **columns,
    )
    await ApiKeyRow.insert(row)
    return await get(row.id, caller), secret


async def get(key_id: str, caller: Principal) -> ApiKey:
    """One key: one's own, or anybody's for an admin. Raises NoSuch."""
    return _api_key_of(await _row(key_id, caller))


async def update(
    key_id: str, patch: ApiKeyPatch, caller: Principal, scopes: Collection[str], *, version: int | None = None
) -> ApiKey:
    """Apply what the patch mentions. Raises NoSuch, Stale, Invalid."""
    async with db.transaction():
        row = await _row(key_id, caller, lock=True)
        check_version("API key", row["version"], version)
        given = {name: value for name, value in msgspec.structs.asdict(patch).items() if value is not UNSET}
        merged = msgspec.structs.replace(_draft_of(row), **given)
        most = await _caller_limits(caller, caller.role.at_most(Role(row["owner_role"])))
        judged = _fields_to_check(caller, given, merged)
        values: dict[Any, Any] = _columns_of(merged, judged, most, scopes)
        values |= {"version": row["version"] + 1, "updated_ms": clock.now_ms()}
        await ApiKeyRow.update(values).where(ApiKeyRow.id == key_id)
        changed = await get(key_id, caller)
    api_key_auth.clear_cache()
    return changed


async def delete(key_id: str, caller: Principal, *, version: int | None = None) -> None:
    """Revoke a key: at once here, within a second elsewhere. Raises NoSuch, Stale."""
    async with db.transaction():
        check_version("API key", (await _row(key_id, caller, lock=True))["version"], version)
        await db.rows("DELETE FROM api_keys WHERE id = ?1", key_id)
    api_key_auth.clear_cache()


async def list_page(query: ApiKeyQuery, caller: Principal) -> tuple[list[ApiKey], int]:
    """The keys asked for, and how many there are in all. Who is no admin has only their own."""
    whose = query.user_id if caller.role is Role.ADMIN else caller.user_id
    if query.user_id not in (None, whose):
        return [], 0
    wanted = (contains_pattern(query.q), whose)
    order = f"{SORTS[query.sort]} {'DESC' if query.descending else 'ASC'}, k.id"
    counted = await db.rows(f"SELECT count(*) AS n{_FROM}{_FILTERS}", *wanted)
    found = await db.rows(
        f"{_SELECT}{_FILTERS} ORDER BY {order} LIMIT ?3 OFFSET ?4", *wanted, query.limit, query.offset
    )
    return [_api_key_of(row) for row in found], int(counted[0]["n"])


def _fields_to_check(caller: Principal, changes: Mapping[str, Any], merged: ApiKeyDraft) -> Collection[str]:
    """Which fields of a changed key must hold: those that are sent; all of them when a key asks.

    Else a key could wake one that goes further than itself, or widen it where it is narrow. It may switch any off.
    """
    is_end = set(changes) <= {"active"} and not merged.active
    return list(changes) if caller.key_id is None or is_end else merged.__struct_fields__


async def _caller_limits(caller: Principal, role: Role) -> KeyLimits:
    """How far the caller may let a key go: by role, and where a key asks, by that key's own terms."""
    if caller.key_id is None:
        return KeyLimits(role=role)
    own = await db.rows(f"{_SELECT} WHERE k.id = ?1", caller.key_id)
    if not own:
        raise Forbidden("The API key that asks is gone.")
    return msgspec.structs.replace(_limits_of(_draft_of(own[0])), role=role)


async def _check_owner(caller: Principal) -> None:
    found = await db.rows(_OWNER_STATE, caller.user_id, caller.session_id)
    if not found:
        raise Forbidden(NO_OWNER)
    if not found[0]["lives"]:  # it was remembered for a second; a key would outlive it for ever
        raise Unauthorized(SESSION_ENDED)
    if found[0]["n"] >= MAX_PER_USER:
        raise Conflict(f"Nobody may have more than {MAX_PER_USER} keys: remove some.")


async def revoke_for_user(user_id: str) -> int:
    """Switch off every key of a user. Inside of `writing`, with what made it necessary; returns how many there were."""
    off = await db.rows(
        "UPDATE api_keys SET active = (1 = 0), version = version + 1, updated_ms = ?2"
        " WHERE user_id = ?1 AND active RETURNING id",
        user_id,
        clock.now_ms(),
    )
    return len(off)


def _columns_of(
    draft: ApiKeyDraft, checked: Collection[str], limits: KeyLimits, scopes: Collection[str]
) -> dict[str, Any]:
    """The columns of a key, once what was given of it holds. Raises Invalid."""
    terms = _limits_of(draft)
    wrong = [*api_key_limits.parse_networks(draft.networks)[1], *_unknown_scopes(draft, scopes), *_expiry_errors(draft)]
    wrong = [
        one for one in (*wrong, *api_key_limits.violations(terms, limits)) if one.field.partition(".")[0] in checked
    ]
    if wrong:
        raise Invalid(wrong)
    return {
        "name": draft.name,
        "role": draft.role.value,
        "scopes": None if terms.scopes is None else msgspec.json.encode(sorted(terms.scopes)).decode(),
        "networks": msgspec.json.encode([str(one) for one in terms.networks]).decode(),
        "expires_ms": _ms_of(draft.expires_at),
        "active": draft.active,
    }


def _unknown_scopes(draft: ApiKeyDraft, scopes: Collection[str]) -> list[FieldError]:
    known = ", ".join(scopes)
    strange = [(number, one) for number, one in enumerate(draft.scopes or ()) if one not in scopes]
    return [FieldError(f"scopes.{number}", f"there is no scope {one!r}; there are {known}") for number, one in strange]


def _expiry_errors(draft: ApiKeyDraft) -> list[FieldError]:
    is_past = draft.expires_at is not None and draft.expires_at <= datetime.now(UTC)
    return (
        [FieldError("expires_at", "must be in the future; to end a key now, set `active` to false")] if is_past else []
    )


def _limits_of(draft: ApiKeyDraft) -> KeyLimits:
    return KeyLimits(
        role=draft.role,
        scopes=None if draft.scopes is None else frozenset(draft.scopes),
        expires_at=_instant(_ms_of(draft.expires_at)),  # as it is stored: a copy must compare as equal
        networks=api_key_limits.parse_networks(draft.networks)[0],
    )


def _draft_of(row: Any) -> ApiKeyDraft:
    return ApiKeyDraft(
        name=row["name"],
        role=Role(row["role"]),
        scopes=row["scopes"] and msgspec.json.decode(row["scopes"]),
        expires_at=_instant(row["expires_ms"]),
        networks=msgspec.json.decode(row["networks"]),
        active=bool(row["active"]),
    )


def _api_key_of(row: Any) -> ApiKey:
    return ApiKey(
        **msgspec.structs.asdict(_draft_of(row)),
        id=row["id"],
        prefix=row["prefix"],
        user_id=row["user_id"],
        username=row["username"],
        effective_role=Role(row["role"]).at_most(Role(row["owner_role"])),
        last_used_at=_instant(row["last_used_ms"]),
        last_used_ip=row["last_used_ip"],
        version=row["version"],
        created_at=clock.instant(row["created_ms"]),
        updated_at=clock.instant(row["updated_ms"]),
    )


def _instant(at_ms: int | None) -> datetime | None:
    return None if at_ms is None else clock.instant(at_ms)


def _ms_of(at: datetime | None) -> int | None:
    return None if at is None else clock.epoch_ms(at)


async def _row(key_id: str, caller: Principal, *, lock: bool = False) -> Any:
    locked = " FOR UPDATE OF k" if lock and not db.is_sqlite() else ""
    found = await db.rows(f"{_SELECT} WHERE k.id = ?1{locked}", key_id)
    if not found or (caller.role is not Role.ADMIN and found[0]["user_id"] != caller.user_id):
        raise NoSuch("API key", key_id)
    return found[0]
