"""Settings that admins change: kept, listed, and read by every process without a query each time.

What `read` says is at most `KEPT_S` old. While the database is away it says what was read last.
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

CACHE_S = 1.0  # how long a change made by another process may go unseen

_SELECT = "SELECT key, value, version, updated_ms FROM settings"


class _SettingsCache(Struct):
    """What was read last, and from which database."""

    engine: Any
    values: dict[str, Any]
    until: float


_cache = _SettingsCache(None, {}, 0.0)


async def get_value(key: str) -> Any:
    """A setting's value, as the catalogue's type. Raises the database's errors only before the first answer."""
    default = CATALOGUE[key].default
    if _cache.engine is not db.engine():
        await _refresh()
    elif monotonic() >= _cache.until:
        _cache.until = monotonic() + CACHE_S  # whoever asks meanwhile takes the old answer
        with suppress(*db.TRANSIENT_ERRORS):
            await _refresh()
    return _cache.values.get(key, default)


def clear_cache() -> None:
    """Ask the database with the next `read`."""
    _cache.until = 0.0


async def list_all() -> list[Setting]:
    """Every setting there is, by key."""
    rows = {row["key"]: row for row in await db.rows(_SELECT)}
    return [_setting_of(key, rows.get(key)) for key in sorted(CATALOGUE)]


async def get(key: str) -> Setting:
    """One setting, from the database. Raises NoSuch."""
    _definition_of(key)
    return _setting_of(key, await _row(key))


async def update(key: str, patch: SettingPatch, *, version: int | None = None) -> Setting:
    """Change a setting; fields of an object that are absent stay. Raises NoSuch, Stale, Invalid."""
    entry = _definition_of(key)
    async with db.transaction():
        row = await _row(key, lock=True)
        before = _setting_of(key, row)
        check_version("setting", before.version, version)
        text = msgspec.json.encode(_validated(entry, before.value, patch.value)).decode()
        if row is None:
            await SettingRow.insert(SettingRow(key=key, value=text, version=1, updated_ms=clock.now_ms()))
        else:
            values: dict[Any, Any] = {"value": text, "version": before.version + 1, "updated_ms": clock.now_ms()}
            await SettingRow.update(values).where(SettingRow.key == key)
    clear_cache()
    return await get(key)


async def reset(key: str, *, version: int | None = None) -> None:
    """Back to the default. Raises NoSuch, Stale."""
    _definition_of(key)
    async with db.transaction():
        check_version("setting", _setting_of(key, await _row(key, lock=True)).version, version)
        await db.rows("DELETE FROM settings WHERE key = ?1", key)
    clear_cache()


async def _refresh() -> None:
    """Read all of them: there are few, and one query serves every key. A key of another version is left alone."""
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
    entry = CATALOGUE[key]
    return Setting(
        key=key,
        value=entry.default if row is None else _value_of(row),
        default=entry.default,
        description=entry.description,
        version=0 if row is None else row["version"],
        updated_at=None if row is None else clock.instant(row["updated_ms"]),
    )


def _validated(entry: SettingDefinition, before: Any, sent: Any) -> Any:
    """What is sent, over what there was; as the key's type. Raises Invalid."""
    if isinstance(before, Struct) and isinstance(sent, dict):
        sent = msgspec.to_builtins(before) | sent
    value = structs.validate(sent, entry.type, "value")
    if wrong := config_rules.field_errors(value):
        raise Invalid([FieldError(f"value.{one.field}", one.message) for one in wrong])
    return value
