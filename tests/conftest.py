"""Fixtures of all tests: a real Valkey, a real migrated database, settings for both. Loopback only."""

import asyncio
import errno
import gc
import ipaddress
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg
import hypothesis
import pytest
import redis
import structlog
from argon2 import PasswordHasher
from hypothesis.internal.conjecture import providers

from app import (
    clock_watch,
    db,
    embedded_valkey,
    migrate,
    queue as queues,
    settings as configuration,
)
from app.postgres_engine import PostgresConnection
from app.security.credentials import passwords
from app.security.secrets import sealing
from app.settings import Settings
from app.sqlite_engine import SqliteConnection
from bench.ports import unused_port
from tests.searching import MANY, SEARCHING

# A busy machine is no bug.
UNHURRIED = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("same", UNHURRIED, derandomize=True)
hypothesis.settings.register_profile("search", UNHURRIED, max_examples=100 * MANY)
hypothesis.settings.load_profile("search" if SEARCHING else "same")
if not SEARCHING:  # it also takes constants from whatever modules are there, which differs from run to run
    providers._get_local_constants = lambda: providers._local_constants
# Where a test configures no log of ours: a traceback with every local variable takes a quarter of a second to draw.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
ON_POSTGRES = os.environ.get("DB_TYPE", "sqlite") == "postgres"
EXTRA_WORKERS = 4
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
EMPTY_WAITS = "20s"  # for a transaction that a test left open: its test has failed, the next one should not hang
# Forty tables, of which a test filled a few: deleting those rows takes a fifth of what TRUNCATE does, which makes new
# files for every index. Only a table with a trigger of ours (the audit log) refuses that.
EMPTY = """DO $$ DECLARE one record; is_filled boolean; filled text[]; BEGIN
    FOR one IN SELECT quote_ident(relname) AS name, EXISTS (
            SELECT 1 FROM pg_trigger WHERE tgrelid = pg_class.oid AND NOT tgisinternal) AS is_guarded
        FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'migration' LOOP
        EXECUTE 'SELECT EXISTS (SELECT 1 FROM ' || one.name || ')' INTO is_filled;
        IF is_filled AND one.is_guarded THEN EXECUTE 'TRUNCATE ' || one.name || ' CASCADE';
        ELSIF is_filled THEN filled := filled || one.name; END IF;
    END LOOP;
    IF filled IS NOT NULL THEN EXECUTE 'WITH ' || (
        SELECT string_agg(format('d%s AS (DELETE FROM %s)', n, name), ', ')
        FROM unnest(filled) WITH ORDINALITY AS f (name, n)) || ' SELECT 1'; END IF;
    FOR one IN SELECT quote_ident(sequencename) AS name FROM pg_sequences
        WHERE schemaname = 'public' AND last_value IS NOT NULL AND sequencename <> 'migration_id_seq' LOOP
        EXECUTE 'ALTER SEQUENCE ' || one.name || ' RESTART';
    END LOOP; END $$"""


def _loopback_only(event: str, args: tuple[Any, ...]) -> None:
    """The network of the tests ends at this machine: elsewhere is unreachable, at once and everywhere alike."""
    if event not in {"socket.connect", "socket.sendto"} or not isinstance(args[-1], tuple):
        return
    try:
        address = ipaddress.ip_address(str(args[-1][0]).partition("%")[0])
    except ValueError:
        return
    if not (address.is_loopback or address.is_unspecified):
        raise OSError(errno.ENETUNREACH, "Network is unreachable: tests stay on loopback")


sys.addaudithook(_loopback_only)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Mark what knows the database, before `-m` chooses: it must hold on each of its engines.

    Afterwards, and after the order was shuffled, spread what takes long over the first part: begun last, it would have
    all other workers wait for the one that runs it.
    """
    for item in (one for one in items if isinstance(one, pytest.Function)):
        if {"database", "blank_database"} & set(item.fixturenames):
            item.add_marker("database")
    yield
    items[:] = _spread([one for one in items if _is_long(one)], [one for one in items if not _is_long(one)])


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """How many processes `-n auto` means: tests wait for servers and for due times most of their time."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return len(os.sched_getaffinity(0)) + EXTRA_WORKERS


def pytest_collection_finish() -> None:
    """Take what collecting made, and what stays, out of the garbage collector's way: it is a million objects."""
    gc.freeze()


def _is_long(item: pytest.Item) -> bool:
    return "pipeline" in item.path.parts


def _spread(long: list[pytest.Item], short: list[pytest.Item]) -> Iterator[pytest.Item]:
    """All of both, the long ones between the short ones, none in the last third."""
    every = max(1, len(short) * 2 // (3 * len(long))) if long else 1
    rest = iter(long)
    for number, item in enumerate(short):
        if number % every == 0:
            yield from islice(rest, 1)
        yield item
    yield from rest


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """What a test before this one left in the process must not be found. Not `monkeypatch`: a test may undo that.

    A jump of the clock, of a test that travelled in time; a closed client, which connects again on a loop that ends.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock_watch, "watch", clock_watch.ClockWatch())
        patch.setattr(queues, "_client", None)
        yield


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Passwords are hashed for next to nothing: at the real cost, signing in takes longer than most tests."""
    with _hashing_with(CHEAP):
        yield


@pytest.fixture
def real_passwords() -> Iterator[None]:
    """Passwords are hashed at the real cost."""
    with _hashing_with(PasswordHasher(passwords.ROUNDS, passwords.MEMORY_KIB, passwords.PARALLELISM)):
        yield


@contextmanager
def _hashing_with(hasher: PasswordHasher) -> Iterator[None]:
    passwords._dummy_hash.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", hasher)
        yield
    passwords._dummy_hash.cache_clear()


@pytest.fixture(scope="session")
def valkey() -> Iterator[str]:
    """A Valkey of this test process, as a unix:// address."""
    with tempfile.TemporaryDirectory(prefix="wk-", dir="/tmp") as place:  # short: socket paths are limited
        listen = Path(place) / "valkey.sock"
        server = subprocess.Popen(embedded_valkey.build_command(Path(place), listen, durable=False))
        try:
            _until_ready(server, listen)
            yield f"unix://{listen}"
        finally:
            server.kill()
            server.wait()


def _until_ready(server: subprocess.Popen[bytes], listen: Path) -> None:
    for _ in range(500):
        if embedded_valkey.is_ready(listen):
            return
        assert server.poll() is None, "Valkey ended at its start"
        time.sleep(0.02)
    pytest.fail("Valkey did not answer within 10 s")


@pytest.fixture
def redis_url(valkey: str) -> str:
    """An empty Valkey."""
    _emptying(valkey).flushall()
    return valkey


@cache
def _emptying(valkey: str) -> "redis.Redis":
    return redis.Redis.from_url(valkey, driver_info=None)


@pytest.fixture
def free_port() -> int:
    """A closed loopback port."""
    return unused_port()


@pytest.fixture
def environ(tmp_path: Path, redis_url: str, free_port: int) -> dict[str, str]:
    """The environment of our processes: this Valkey, this database, a directory of its own."""
    ours = {name: value for name, value in os.environ.items() if name.startswith("DB_")}
    if ON_POSTGRES:
        ours["DB_NAME"] = f"{os.environ['DB_NAME']}_{WORKER}"
    return {
        **ours,
        "DATA_DIR": str(tmp_path / "data"),
        "REDIS_URL": redis_url,
        "SERVER_PORT": str(free_port),
        "MODE": "test",
        "API_SECRET_KEY": "a key for tests, long enough",
    }


@pytest.fixture
def settings(environ: dict[str, str], tmp_path: Path) -> Settings:
    """Settings read from `environ`."""
    return configuration.read_settings(environ, tmp_path)


class Emptier:
    """A connection to this worker's PostgreSQL database that stays open: a new one for each test takes longer."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._connection: asyncpg.Connection | None = None

    def empty(self, settings: Settings) -> None:
        """Delete every row; connect again when a test has cut the connection."""
        try:
            self._runner.run(self._execute(settings))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self._connection = None
            self._runner.run(self._execute(settings))

    async def _execute(self, settings: Settings) -> None:
        if self._connection is None:
            self._connection = await asyncpg.connect(
                **settings.postgres_dsn_parts(), server_settings={"lock_timeout": EMPTY_WAITS}
            )
        await self._connection.execute(EMPTY)

    def close(self) -> None:
        """Leave no connection behind."""
        if self._connection is not None:
            self._connection.terminate()


@pytest.fixture(scope="session")
def emptier() -> Iterator[Emptier]:
    """What empties the database of this worker before each test."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        made = Emptier(runner)
        yield made
        made.close()


@pytest.fixture
def database(settings: Settings, blank_database: Path | None, emptier: Emptier) -> Settings:
    """A migrated, empty database that is not open."""
    if blank_database is None:
        emptier.empty(settings)
    else:
        Path(settings.db_path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(blank_database, settings.db_path)
    return settings


@pytest.fixture
async def store(database: Settings) -> AsyncIterator[Settings]:
    """The same, opened in this process."""
    sealing.prepare(database)  # whatever is stored may hold secrets
    await db.start(database)
    yield database
    await db.stop()


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that ran since, of `db.rows` and of Piccolo's queries, without BEGIN and COMMIT."""
    ran: list[str] = []
    for connection, method in ((SqliteConnection, "execute"), (PostgresConnection, "fetch")):
        monkeypatch.setattr(connection, method, _recorded(getattr(connection, method), ran))
    return ran


def _recorded(run: Callable[..., Awaitable[Any]], ran: list[str]) -> Callable[..., Awaitable[Any]]:
    async def recorded(connection: Any, sql: str, *args: Any) -> Any:
        if not sql.startswith(("BEGIN", "COMMIT", "ROLLBACK")):
            ran.append(sql)
        return await run(connection, sql, *args)

    return recorded


@pytest.fixture
async def queue(settings: Settings) -> AsyncIterator[Settings]:
    """The Redis client of this process, on an empty Valkey."""
    await queues.start(settings)
    yield settings
    await queues.stop()


@pytest.fixture(scope="session")
def blank_database(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """A migrated SQLite file to copy; on PostgreSQL a migrated database of this worker, and None."""
    place = tmp_path_factory.mktemp("blank")
    environ = {"DATA_DIR": str(place), **{name: value for name, value in os.environ.items() if name.startswith("DB_")}}
    if ON_POSTGRES:
        environ["DB_NAME"] = f"{os.environ['DB_NAME']}_{WORKER}"
        asyncio.run(_created(configuration.read_settings(environ, place)))
    found = configuration.read_settings(environ, place)
    asyncio.run(_migrated(found))
    return None if ON_POSTGRES else Path(found.db_path)


async def _migrated(settings: Settings) -> None:
    await db.start(settings)
    await migrate.apply_missing()
    await db.stop()


async def _created(settings: Settings) -> None:
    connection = await asyncpg.connect(**{**settings.postgres_dsn_parts(), "database": os.environ["DB_NAME"]})
    await connection.execute(f"DROP DATABASE IF EXISTS {settings.db_name} WITH (FORCE)")
    await connection.execute(f"CREATE DATABASE {settings.db_name}")
    await connection.close()
