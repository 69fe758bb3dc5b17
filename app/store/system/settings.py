"""Settings that admins change: list, update, reset, and read cached values in every process.

`get_value` is at most `CACHE_S` old; while the database is unavailable, it returns the values that were read last.
"""

from contextlib import suppress
from functools import cache
from time import monotonic
from typing import Any

import msgspec
from msgspec import Struct
from piccolo.query.base import FrozenQuery

from app import clock, db
from app.domain import config_rules
from app.domain.validation import structs
from app.errors import Invalid, NoSuch
from app.store.sql import with_lock
from app.store.tables.settings import SettingRow
from app.store.versions import ExpectedVersion, check_version
from schema.errors import FieldError
from schema.settings import CATALOGUE, Setting, SettingDefinition, SettingPatch

CACHE_S = 1.0  # how long this process may miss a change by another one


class StoredSetting(Struct, frozen=True):
    """A setting that was changed; `value` is JSON."""

    key: str
    value: str
    version: int
    updated_ms: int


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
    stored = await _load_all()
    return [_setting_of(key, stored.get(key)) for key in sorted(CATALOGUE)]


async def get(key: str) -> Setting:
    """One setting, from the database. Raises NoSuch."""
    _definition_of(key)
    return _setting_of(key, await _load(key))


async def update(key: str, patch: SettingPatch, *, version: ExpectedVersion = None) -> Setting:
    """Update a setting; absent fields of an object stay. Raises NoSuch, Stale, Invalid."""
    definition = _definition_of(key)
    async with db.transaction():
        stored = await _load(key, lock=True)
        before = _setting_of(key, stored)
        check_version("setting", before.version, version)
        text = msgspec.json.encode(_validated(definition, before.value, patch.value)).decode()
        if stored is None:
            await SettingRow.insert(SettingRow(key=key, value=text, version=1, updated_ms=clock.now_ms()))
        else:
            values: dict[Any, Any] = {"value": text, "version": before.version + 1, "updated_ms": clock.now_ms()}
            await SettingRow.update(values).where(SettingRow.key == key)
    clear_cache()
    return await get(key)


async def reset(key: str, *, version: ExpectedVersion = None) -> None:
    """Reset a setting to its default. Raises NoSuch, Stale."""
    _definition_of(key)
    async with db.transaction():
        check_version("setting", _setting_of(key, await _load(key, lock=True)).version, version)
        await SettingRow.delete().where(SettingRow.key == key)
    clear_cache()


async def _refresh() -> None:
    """Read all settings with one query. Keys of another version of Watchkeeper are ignored."""
    engine = db.engine()
    _cache.values = {key: _value_of(stored) for key, stored in (await _load_all()).items() if key in CATALOGUE}
    _cache.engine, _cache.until = engine, monotonic() + CACHE_S


async def _load_all() -> dict[str, StoredSetting]:
    return {row["key"]: StoredSetting(**row) for row in await _all_settings().run()}


@cache
def _all_settings() -> FrozenQuery:
    return SettingRow.select().freeze()  # every worker runs it each second


async def _load(key: str, *, lock: bool = False) -> StoredSetting | None:
    query = SettingRow.select().where(SettingRow.key == key)
    found = await (with_lock(query) if lock else query)
    return StoredSetting(**found[0]) if found else None


def _definition_of(key: str) -> SettingDefinition:
    if key not in CATALOGUE:
        raise NoSuch("setting", key)
    return CATALOGUE[key]


def _value_of(stored: StoredSetting) -> Any:
    return msgspec.json.decode(stored.value, type=CATALOGUE[stored.key].type)


def _setting_of(key: str, stored: StoredSetting | None) -> Setting:
    definition = CATALOGUE[key]
    return Setting(
        key=key,
        value=definition.default if stored is None else _value_of(stored),
        default=definition.default,
        description=definition.description,
        version=0 if stored is None else stored.version,
        updated_at=None if stored is None else clock.instant(stored.updated_ms),
    )


def _validated(definition: SettingDefinition, before: Any, new: Any) -> Any:
    """The new value as the setting's type; an object is merged over the old one. Raises Invalid."""
    if isinstance(before, Struct) and isinstance(new, dict):
        new = msgspec.to_builtins(before) | new
    value = structs.validate(new, definition.type, "value")
    if errors := config_rules.field_errors(value):
        raise Invalid([FieldError(f"value.{error.field}", error.message) for error in errors])
    return value
