"""Settings that admins change: list, update, reset, and read cached values in every process.

`get_value` is at most `CACHE_S` old; while the database is unavailable, it returns the values that were read last.
"""

from contextlib import suppress
from time import monotonic
from typing import Any

import msgspec
from msgspec import Struct

from app import clock, db
from app.domain import config_rules
from app.domain.validation import structs
from app.errors import Invalid, NoSuch
from app.store.tables.settings import SettingRow
from app.store.versions import check_version
from schema.errors import FieldError
from schema.settings import CATALOGUE, Setting, SettingDefinition, SettingPatch

CACHE_S = 1.0  # how long this process may miss a change by another one

_SELECT = "SELECT key, value, version, updated_ms FROM settings"


class _SettingsCache(Struct):
    """The values that were read last, and from which database."""

    engine: Any
    values: dict[str, Any]
    until: float


_cache = _SettingsCache(None, {}, 0.0)


async def get_value(key: str) -> Any:
    """A setting's value, as the catalogue's type. Raises database errors only before the first successful read."""
    default = CATALOGUE[key].default
    if _cache.engine is not db.engine():
        await _refresh()
    elif monotonic() >= _cache.until:
        _cache.until = monotonic() + CACHE_S  # concurrent callers take the old value
        with suppress(*db.TRANSIENT_ERRORS):
            await _refresh()
    return _cache.values.get(key, default)


def clear_cache() -> None:
    """Have the next `get_value` read the database."""
    _cache.until = 0.0


async def list_all() -> list[Setting]:
    """Every setting, by key."""
    rows = {row["key"]: row for row in await db.rows(_SELECT)}
    return [_setting_of(key, rows.get(key)) for key in sorted(CATALOGUE)]


async def get(key: str) -> Setting:
    """One setting, from the database. Raises NoSuch."""
    _definition_of(key)
    return _setting_of(key, await _row(key))


async def update(key: str, patch: SettingPatch, *, version: int | None = None) -> Setting:
    """Update a setting; absent fields of an object stay. Raises NoSuch, Stale, Invalid."""
    definition = _definition_of(key)
    async with db.transaction():
        row = await _row(key, lock=True)
        before = _setting_of(key, row)
        check_version("setting", before.version, version)
        text = msgspec.json.encode(_validated(definition, before.value, patch.value)).decode()
        if row is None:
            await SettingRow.insert(SettingRow(key=key, value=text, version=1, updated_ms=clock.now_ms()))
        else:
            values: dict[Any, Any] = {"value": text, "version": before.version + 1, "updated_ms": clock.now_ms()}
            await SettingRow.update(values).where(SettingRow.key == key)
    clear_cache()
    return await get(key)


async def reset(key: str, *, version: int | None = None) -> None:
    """Reset a setting to its default. Raises NoSuch, Stale."""
    _definition_of(key)
    async with db.transaction():
        check_version("setting", _setting_of(key, await _row(key, lock=True)).version, version)
        await db.rows("DELETE FROM settings WHERE key = ?1", key)
    clear_cache()


async def _refresh() -> None:
    """Read all settings with one query. Keys of another version of Watchkeeper are ignored."""
    engine = db.engine()
    rows = [row for row in await db.rows(_SELECT) if row["key"] in CATALOGUE]
    _cache.values = {row["key"]: _value_of(row) for row in rows}
    _cache.engine, _cache.until = engine, monotonic() + CACHE_S


async def _row(key: str, *, lock: bool = False) -> Any:
    locked = " FOR UPDATE" if lock and not db.is_sqlite() else ""
    found = await db.rows(f"{_SELECT} WHERE key = ?1{locked}", key)
    return found[0] if found else None


def _definition_of(key: str) -> SettingDefinition:
    if key not in CATALOGUE:
        raise NoSuch("setting", key)
    return CATALOGUE[key]


def _value_of(row: Any) -> Any:
    return msgspec.json.decode(row["value"], type=CATALOGUE[row["key"]].type)


def _setting_of(key: str, row: Any) -> Setting:
    definition = CATALOGUE[key]
    return Setting(
        key=key,
        value=definition.default if row is None else _value_of(row),
        default=definition.default,
        description=definition.description,
        version=0 if row is None else row["version"],
        updated_at=None if row is None else clock.instant(row["updated_ms"]),
    )


def _validated(definition: SettingDefinition, before: Any, new: Any) -> Any:
    """The new value as the setting's type; an object is merged over the old one. Raises Invalid."""
    if isinstance(before, Struct) and isinstance(new, dict):
        new = msgspec.to_builtins(before) | new
    value = structs.validate(new, definition.type, "value")
    if errors := config_rules.field_errors(value):
        raise Invalid([FieldError(f"value.{error.field}", error.message) for error in errors])
    return value
