"""API keys: create, list, update, revoke. Nobody can create a key with more rights than their own.

Written as SQL: keys with their owners, which are a join.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import UNSET, Struct
from piccolo.columns import Column

from app import clock, db
from app.domain.identity import api_key_limits
from app.domain.identity.api_key_limits import KeyLimits
from app.errors import Conflict, Forbidden, Invalid, NoSuch, Unauthorized
from app.security.auth import api_keys
from app.security.auth.principals import SESSION_ENDED
from app.store.identity import api_key_auth, api_key_pepper
from app.store.listing import Listing, ListQuery
from app.store.name_search import matches_sql, matching_ids
from app.store.tables.api_keys import ApiKeyRow
from app.store.tables.users import SessionRow, UserRow
from app.store.versions import ExpectedVersion, check_version
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
MAX_PER_USER = 200  # keys
NO_OWNER = "An API key needs a user, and this token has none. Sign in as a user."

_FROM = " FROM api_keys k JOIN users u ON u.id = k.user_id"
_SELECT = f"SELECT k.*, u.username, u.role AS owner_role{_FROM}"
_FILTERS = f" WHERE {matches_sql('k.id', 1)} AND (CAST(?2 AS TEXT) IS NULL OR k.user_id = CAST(?2 AS TEXT))"


class StoredApiKey(Struct, frozen=True):
    """A stored key, with its owner's name and role; `scopes` and `networks` are JSON."""

    id: str
    user_id: str
    name: str
    prefix: str
    role: Role
    scopes: str | None
    networks: str
    expires_ms: int | None
    active: bool
    version: int
    created_ms: int
    updated_ms: int
    last_used_ms: int | None
    last_used_ip: str
    username: str
    owner_role: Role


_LISTING = Listing(
    select=_SELECT,
    count=f"SELECT count(*) AS n{_FROM}",
    filters=_FILTERS,
    sorts=SORTS,
    key="k.id",
)


class ApiKeyQuery(ListQuery, frozen=True, kw_only=True):
    """Which keys, in which order.

    q        part of the name, ignoring case
    user_id  the owner; None: everybody's
    sort     one of `SORTS`
    """

    q: str | None = None
    user_id: str | None = None


async def create(draft: ApiKeyDraft, caller: Principal, scopes: Collection[str]) -> tuple[ApiKey, str]:
    """Create a key of the caller's; returns it and its secret. Raises Invalid, Forbidden, Conflict, Unauthorized.

    scopes    every scope that the running application knows
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
    """One key: the caller's own, or anybody's for an admin. Raises NoSuch."""
    return _api_key_of(await _load(key_id, caller))


async def update(
    key_id: str, patch: ApiKeyPatch, caller: Principal, scopes: Collection[str], *, version: ExpectedVersion = None
) -> ApiKey:
    """Apply a patch. Raises NoSuch, Stale, Invalid."""
    async with db.transaction():
        old = await _load(key_id, caller, lock=True)
        check_version("API key", old.version, version)
        changes = {name: value for name, value in msgspec.structs.asdict(patch).items() if value is not UNSET}
        draft = msgspec.structs.replace(_draft_of(old), **changes)
        limits = await _caller_limits(caller, caller.role.at_most(old.owner_role))
        values: dict[Any, Any] = _columns_of(draft, _fields_to_check(caller, changes, draft), limits, scopes)
        values |= {"version": old.version + 1, "updated_ms": clock.now_ms()}
        await ApiKeyRow.update(values).where(ApiKeyRow.id == key_id)
        updated = await get(key_id, caller)
    api_key_auth.clear_cache()
    return updated


async def delete(key_id: str, caller: Principal, *, version: ExpectedVersion = None) -> str:
    """Delete a key: here at once, in other processes within a second; returns its name. Raises NoSuch, Stale."""
    async with db.transaction():
        old = await _load(key_id, caller, lock=True)
        check_version("API key", old.version, version)
        await ApiKeyRow.delete().where(ApiKeyRow.id == key_id)
    api_key_auth.clear_cache()
    return old.name


async def list_page(query: ApiKeyQuery, caller: Principal) -> tuple[list[ApiKey], int]:
    """One page of keys, and their total. Only admins see the keys of others."""
    user_id = query.user_id if caller.role is Role.ADMIN else caller.user_id
    if query.user_id not in (None, user_id):
        return [], 0
    filters = (await matching_ids(query.q, ApiKeyRow.id, ApiKeyRow.name), user_id)
    found, total = await _LISTING.read(query, filters)
    return [_api_key_of(_record_of(row)) for row in found], total


def _fields_to_check(caller: Principal, changes: Mapping[str, Any], merged: ApiKeyDraft) -> Collection[str]:
    """Which fields of an updated key to check: the changed ones, or all of them when the caller is an API key.

    Otherwise a key could activate or widen a key with more rights than its own. It may deactivate any.
    """
    only_deactivates = set(changes) <= {"active"} and not merged.active
    return list(changes) if caller.key_id is None or only_deactivates else merged.__struct_fields__


async def _caller_limits(caller: Principal, role: Role) -> KeyLimits:
    """The most that a key of the caller's may grant: the role, and for an API key its own limits."""
    if caller.key_id is None:
        return KeyLimits(role=role)
    own = await _find(caller.key_id)
    if own is None:
        raise Forbidden("The API key of this request was deleted.")
    return msgspec.structs.replace(_limits_of(_draft_of(own)), role=role)


async def _check_owner(caller: Principal) -> None:
    """Raise Forbidden (not a user), Unauthorized (the session ended) or Conflict (too many keys)."""
    if not await UserRow.exists().where(UserRow.id == caller.user_id):
        raise Forbidden(NO_OWNER)
    is_open = (SessionRow.id == caller.session_id) & SessionRow.ended_ms.is_null()
    if caller.session_id is not None and not await SessionRow.exists().where(is_open):
        raise Unauthorized(SESSION_ENDED)  # its cached principal is valid for a second; a key would outlive it
    if await ApiKeyRow.count().where(ApiKeyRow.user_id == caller.user_id) >= MAX_PER_USER:
        raise Conflict(f"A user can have at most {MAX_PER_USER} keys. Delete some first.")


async def revoke_for_user(user_id: str) -> int:
    """Deactivate every key of a user, in the transaction that makes it necessary; returns how many."""
    values: dict[Column | str, Any] = {
        ApiKeyRow.active: False, ApiKeyRow.version: ApiKeyRow.version + 1, ApiKeyRow.updated_ms: clock.now_ms(),
    }  # fmt: skip
    is_active = (ApiKeyRow.user_id == user_id) & ApiKeyRow.active.eq(True)
    return len(await ApiKeyRow.update(values).where(is_active).returning(ApiKeyRow.id))


def _columns_of(
    draft: ApiKeyDraft, checked: Collection[str], limits: KeyLimits, scopes: Collection[str]
) -> dict[str, Any]:
    """The columns of a key. Raises Invalid for errors in the fields to check."""
    granted = _limits_of(draft)
    errors = [
        *api_key_limits.parse_networks(draft.networks)[1],
        *_unknown_scopes(draft, scopes),
        *_expiry_errors(draft),
        *api_key_limits.violations(granted, limits),
    ]
    errors = [error for error in errors if error.field.partition(".")[0] in checked]
    if errors:
        raise Invalid(errors)
    return {
        "name": draft.name,
        "role": draft.role.value,
        "scopes": None if granted.scopes is None else msgspec.json.encode(sorted(granted.scopes)).decode(),
        "networks": msgspec.json.encode([str(network) for network in granted.networks]).decode(),
        "expires_ms": _ms_of(draft.expires_at),
        "active": draft.active,
    }


def _unknown_scopes(draft: ApiKeyDraft, scopes: Collection[str]) -> list[FieldError]:
    known = ", ".join(scopes)
    return [
        FieldError(f"scopes.{number}", f"must be one of {known}, not {scope!r}")
        for number, scope in enumerate(draft.scopes or ())
        if scope not in scopes
    ]


def _expiry_errors(draft: ApiKeyDraft) -> list[FieldError]:
    if draft.expires_at is None or draft.expires_at > datetime.now(UTC):
        return []
    return [FieldError("expires_at", "must be in the future; to end a key now, set `active` to false")]


def _limits_of(draft: ApiKeyDraft) -> KeyLimits:
    return KeyLimits(
        role=draft.role,
        scopes=None if draft.scopes is None else frozenset(draft.scopes),
        expires_at=clock.instant_or_none(_ms_of(draft.expires_at)),  # rounded as stored: a copy must compare as equal
        networks=api_key_limits.parse_networks(draft.networks)[0],
    )


def _draft_of(record: StoredApiKey) -> ApiKeyDraft:
    return ApiKeyDraft(
        name=record.name,
        role=record.role,
        scopes=msgspec.json.decode(record.scopes) if record.scopes else None,
        expires_at=clock.instant_or_none(record.expires_ms),
        networks=msgspec.json.decode(record.networks),
        active=record.active,
    )


def _api_key_of(record: StoredApiKey) -> ApiKey:
    return ApiKey(
        **msgspec.structs.asdict(_draft_of(record)),
        id=record.id,
        prefix=record.prefix,
        user_id=record.user_id,
        username=record.username,
        effective_role=record.role.at_most(record.owner_role),
        last_used_at=clock.instant_or_none(record.last_used_ms),
        last_used_ip=record.last_used_ip,
        version=record.version,
        created_at=clock.instant(record.created_ms),
        updated_at=clock.instant(record.updated_ms),
    )


def _ms_of(at: datetime | None) -> int | None:
    return None if at is None else clock.epoch_ms(at)


async def _load(key_id: str, caller: Principal, *, lock: bool = False) -> StoredApiKey:
    found = await _find(key_id, lock=lock)
    if found is None or (caller.role is not Role.ADMIN and found.user_id != caller.user_id):
        raise NoSuch("API key", key_id)
    return found


async def _find(key_id: str, *, lock: bool = False) -> StoredApiKey | None:
    locked = " FOR UPDATE OF k" if lock and not db.is_sqlite() else ""
    found = await db.rows(f"{_SELECT} WHERE k.id = ?1{locked}", key_id)
    return _record_of(found[0]) if found else None


def _record_of(row: Any) -> StoredApiKey:
    return msgspec.convert(dict(row), StoredApiKey)
