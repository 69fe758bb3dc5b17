"""Brings the database up to this code: every missing migration, each in one transaction with the note that it ran."""

import contextlib
import importlib
import io
import pkgutil
import sqlite3
from typing import Any

import asyncpg
from piccolo.apps.migrations.tables import Migration

import migrations
from app import db
from app.settings import BadSettings, Settings

APP_NAME = "watchkeeper"
LOCK = 0x77_6B_6D_69  # PostgreSQL's advisory lock: two processes that start together migrate one after the other

# The database is there, and will never let us in like this.
REFUSED = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    sqlite3.DatabaseError,
)
PASSING = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_PROTOCOL")  # but these may pass


class NewerDatabase(Exception):  # noqa: N818  # says what was found
    """The database has been through migrations this code does not know."""

    def __init__(self, unknown: list[str]) -> None:
        super().__init__(f"The database is newer than this version of Watchkeeper: it has migration {unknown[-1]}.")


def known() -> dict[str, Any]:
    """Every migration of this code, oldest first: id → module."""
    names = [f"{migrations.__name__}.{info.name}" for info in pkgutil.iter_modules(migrations.__path__)]
    modules = [importlib.import_module(name) for name in names]
    return {module.ID: module for module in sorted(modules, key=lambda one: one.__name__) if hasattr(module, "ID")}


class Away(Exception):  # noqa: N818  # says what was found
    """The database does not answer just now."""


async def run(settings: Settings) -> list[str]:
    """Open the database, bring it forwards, close it.

    raises  BadSettings when it is not ours to use, Away when it may come back
    """
    try:
        return await _run(settings)
    except REFUSED as error:
        if str(getattr(error, "sqlite_errorname", "")).startswith(PASSING):
            raise Away(str(error)) from error
        name = settings.db_path if settings.db_type == "sqlite" else settings.db_name
        raise BadSettings([f"DB_NAME: {name} can't be used: {error}"]) from error
    except db.TROUBLE as error:
        raise Away(str(error) or type(error).__name__) from error
    except NewerDatabase as error:
        raise BadSettings([str(error)]) from error


async def _run(settings: Settings) -> list[str]:
    await db.start(settings, connections=2)
    try:
        return await forwards()
    finally:
        await db.stop()


async def forwards() -> list[str]:
    """Apply what is missing; `db.start` comes first.

    returns  the ids that were applied, oldest first
    raises   NewerDatabase
    """
    applied = []
    while one := await _next():
        applied.append(one)
    return applied


async def _next() -> str | None:
    """Apply the oldest missing migration, if there is one."""
    async with db.writing():
        if not db.is_sqlite():
            await db.rows("SELECT pg_advisory_xact_lock(?1)", LOCK)
        missing = await _missing()
        if not missing:
            return None
        await _apply(missing[0])
        return missing[0]


async def _missing() -> list[str]:
    if not await Migration.table_exists():
        await Migration.create_table()
    ran = await Migration.get_migrations_which_ran(APP_NAME)
    if unknown := sorted(set(ran) - set(known())):
        raise NewerDatabase(unknown)
    return [one for one in known() if one not in ran]


async def _apply(migration_id: str) -> None:
    manager = await known()[migration_id].forwards()
    with contextlib.redirect_stdout(io.StringIO()):  # Piccolo prints its progress
        await manager.run()
    await Migration.insert(Migration(name=migration_id, app_name=APP_NAME))
