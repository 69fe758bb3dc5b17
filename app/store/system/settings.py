"""Settings that admins change: kept, listed, and read by every process without a query each time.

What `read` says is at most `KEPT_S` old. While the database is away it says what was read last.
"""

from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic, time
from typing import Any

import msgspec
from msgspec import Struct

from app import db
from app.domain import config_rules
from app.domain.validation import structs
from app.errors import Invalid, NoSuch, Stale
from app.store.tables.settings import SettingRow
from schema.errors import FieldError
from schema.settings import CATALOGUE, Entry, Setting, SettingPatch

KEPT_S = 1.0  # how long a change made by another process may go unseen

_ALL = "SELECT key, value, version, updated_ms FROM settings"


class _Seen(Struct):
    """What was read last, and from which database."""

    engine: Any
    values: dict[str, Any]
    until: float


_seen = _Seen(None, {}, 0.0)


async def read(key: str) -> Any:
    """A setting's value, as the catalogue's type. Raises the database's errors only before the first answer."""
    default = CATALOGUE[key].default
    if _seen.engine is not db.engine():
        await _refresh()
    elif monotonic() >= _seen.until:
        _seen.until = monotonic() + KEPT_S  # whoever asks meanwhile takes the old answer
        with suppress(*db.TROUBLE):
            await _refresh()
    return _seen.values.get(key, default)


def forget() -> None:
    """Ask the database with the next `read`."""
    _seen.until = 0.0


async def browse() -> list[Setting]:
    """Every setting there is, by key."""
    rows = {row["key"]: row for row in await db.rows(_ALL)}
    return [_setting_of(key, rows.get(key)) for key in sorted(CATALOGUE)]


async def look(key: str) -> Setting:
    """One setting, from the database. Raises NoSuch."""
    _entry_of(key)
    return _setting_of(key, await _row(key))


async def put(key: str, patch: SettingPatch, *, version: int | None = None) -> Setting:
    """Change a setting; fields of an object that are absent stay. Raises NoSuch, Stale, Invalid."""
    entry = _entry_of(key)
    async with db.writing():
        row = await _row(key, lock=True)
        before = _setting_of(key, row)
        _refuse_stale(before, version)
        text = msgspec.json.encode(_fitting(entry, before.value, patch.value)).decode()
        if row is None:
            await SettingRow.insert(SettingRow(key=key, value=text, version=1, updated_ms=_now_ms()))
        else:
            values: dict[Any, Any] = {"value": text, "version": before.version + 1, "updated_ms": _now_ms()}
            await SettingRow.update(values).where(SettingRow.key == key)
    forget()
    return await look(key)


async def reset(key: str, *, version: int | None = None) -> None:
    """Back to the default. Raises NoSuch, Stale."""
    _entry_of(key)
    async with db.writing():
        _refuse_stale(_setting_of(key, await _row(key, lock=True)), version)
        await db.rows("DELETE FROM settings WHERE key = ?1", key)
    forget()


async def _refresh() -> None:
    """Read all of them: there are few, and one query serves every key. A key of another version is left alone."""
    engine = db.engine()
    rows = [row for row in await db.rows(_ALL) if row["key"] in CATALOGUE]
    _seen.values = {row["key"]: _value_of(row) for row in rows}
    _seen.engine, _seen.until = engine, monotonic() + KEPT_S


async def _row(key: str, *, lock: bool = False) -> Any:
    locked = " FOR UPDATE" if lock and not db.is_sqlite() else ""
    found = await db.rows(f"{_ALL} WHERE key = ?1{locked}", key)
    return found[0] if found else None


def _entry_of(key: str) -> Entry:
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
        updated_at=None if row is None else datetime.fromtimestamp(row["updated_ms"] / 1000, UTC),
    )


def _fitting(entry: Entry, before: Any, sent: Any) -> Any:
    """What is sent, over what there was; as the key's type. Raises Invalid."""
    if isinstance(before, Struct) and isinstance(sent, dict):
        sent = msgspec.to_builtins(before) | sent
    value = structs.fit(sent, entry.type, "value")
    if wrong := config_rules.field_errors(value):
        raise Invalid([FieldError(f"value.{one.field}", one.message) for one in wrong])
    return value


def _refuse_stale(setting: Setting, version: int | None) -> None:
    if version is not None and version != setting.version:
        raise Stale(f"The setting is at version {setting.version} by now: read it again.", version=setting.version)


def _now_ms() -> int:
    return int(time() * 1000)
