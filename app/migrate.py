"""Migrates the database: applies every missing migration, each in one transaction with its record."""

import asyncio
import contextlib
import importlib
import io
import pkgutil
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import structlog
from piccolo.apps.migrations.tables import Migration

import migrations
from app import db
from app.settings import BadSettings, Settings

T = TypeVar("T")
log = structlog.get_logger()

APP_NAME = "watchkeeper"
POLL_S = 1.0  # between two attempts to reach the database
ADVISORY_LOCK = 0x77_6B_6D_69  # PostgreSQL's advisory lock: processes that start together migrate one after the other

# The database exists, and retrying can't help.
PERMANENT_ERRORS = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    sqlite3.DatabaseError,
)
TRANSIENT_SQLITE_ERRORS = (
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
    "SQLITE_FULL",
    "SQLITE_IOERR",
    "SQLITE_PROTOCOL",
)  # these SQLite errors may pass


class NewerDatabase(Exception):  # noqa: N818  # names what was found
    """The database has migrations that this code does not have: of a newer version, or before the first one."""

    def __init__(self, unknown: list[str]) -> None:
        super().__init__(
            f"The database was created by another version of Watchkeeper: it has migration {unknown[-1]}, which this"
            " version does not have. Start a newer version, or restore a backup."
        )


def known_migrations() -> dict[str, Any]:
    """Every migration of this code, oldest first: id → module."""
    names = [f"{migrations.__name__}.{info.name}" for info in pkgutil.iter_modules(migrations.__path__)]
    modules = [importlib.import_module(name) for name in names]
    return {module.ID: module for module in sorted(modules, key=lambda one: one.__name__) if hasattr(module, "ID")}


class DatabaseUnavailable(Exception):  # noqa: N818  # names what was found
    """The database does not respond at the moment."""


class OlderDatabase(Exception):  # noqa: N818  # names what was found
    """The database lacks migrations of this code."""

    def __init__(self) -> None:
        super().__init__("The database is older than this version of Watchkeeper: run `watchkeeper migrate`.")


async def run(settings: Settings) -> list[str]:
    """Open the database, apply missing migrations, close it.

    raises  BadSettings when it can't be used, DatabaseUnavailable when it may come back
    """
    with named_errors(settings):
        return await _with_database(settings, apply_missing)


async def require_current(settings: Settings) -> None:
    """Check that the database exists and has this version. Changes nothing.

    raises  BadSettings when it is missing, unusable, or of another version; DatabaseUnavailable when it may come back
    """
    if await asyncio.to_thread(is_missing, settings):
        raise BadSettings([f"DB_NAME: there is no database {settings.db_path}: `watchkeeper migrate` makes one."])
    with named_errors(settings):
        await _with_database(settings, _check_current)


async def wait_until_ready(settings: Settings, stopping: Callable[[], bool]) -> bool:
    """Wait while the database is unavailable, missing or of another version; logs it once.

    stopping  called before each attempt: whether to give up
    returns   whether it is ready
    """
    logged = False
    while not stopping():
        try:
            await require_current(settings)
        except (DatabaseUnavailable, BadSettings) as error:
            if not logged:
                log.warning("database.waiting", reason=str(error))
            logged = True
            await asyncio.sleep(POLL_S)
        else:
            return True
    return False


def is_missing(settings: Settings) -> bool:
    """Whether there is no database file yet. A database server reports a missing database itself."""
    return settings.db_type == "sqlite" and not Path(settings.db_path).exists()


@contextlib.contextmanager
def named_errors(settings: Settings) -> Iterator[None]:
    """Convert errors of a database to BadSettings or DatabaseUnavailable with one line."""
    try:
        yield
    except PERMANENT_ERRORS as error:
        if str(getattr(error, "sqlite_errorname", "")).startswith(TRANSIENT_SQLITE_ERRORS):
            raise DatabaseUnavailable(error_line(error)) from error
        name = settings.db_path if settings.db_type == "sqlite" else settings.db_name
        raise BadSettings([f"DB_NAME: {name} can't be used: {error_line(error)}"]) from error
    except db.TRANSIENT_ERRORS as error:
        raise DatabaseUnavailable(error_line(error)) from error
    except (NewerDatabase, OlderDatabase) as error:
        raise BadSettings([str(error)]) from error


def error_line(error: BaseException) -> str:
    """An exception's message on one line; its class name when it has none."""
    return " ".join(str(error).split()) or type(error).__name__


async def _with_database(settings: Settings, work: Callable[[], Awaitable[T]]) -> T:
    await db.start(settings, connections=2)
    try:
        return await work()
    finally:
        await db.stop()


async def apply_missing() -> list[str]:
    """Apply all missing migrations; call `db.start` first.

    returns  the ids that were applied, oldest first
    raises   NewerDatabase
    """
    applied = []
    while migration_id := await _apply_next():
        applied.append(migration_id)
    return applied


async def _apply_next() -> str | None:
    """Apply the oldest missing migration, if there is one."""
    async with db.transaction():
        await db.advisory_lock(ADVISORY_LOCK)
        if not await Migration.table_exists():
            await Migration.create_table()
        missing = await _missing_ids()
        if not missing:
            return None
        await _apply(missing[0])
        return missing[0]


async def _check_current() -> None:
    if not await Migration.table_exists() or await _missing_ids():
        raise OlderDatabase


async def _missing_ids() -> list[str]:
    applied = await Migration.get_migrations_which_ran(APP_NAME)
    if unknown := sorted(set(applied) - set(known_migrations())):
        raise NewerDatabase(unknown)
    return [one for one in known_migrations() if one not in applied]


async def _apply(migration_id: str) -> None:
    manager = await known_migrations()[migration_id].forwards()
    with contextlib.redirect_stdout(io.StringIO()):  # Piccolo prints its progress
        await manager.run()
    await Migration.insert(Migration(name=migration_id, app_name=APP_NAME))
