"""The first tables: users, monitors and their series, heartbeats, channels, events and deliveries."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "2026-11-22T00:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "first tables"

# One dialect difference: how a table numbers its rows.
SERIAL = {True: "INTEGER PRIMARY KEY AUTOINCREMENT", False: "BIGSERIAL PRIMARY KEY"}
KEY = {True: "INTEGER PRIMARY KEY", False: "BIGINT PRIMARY KEY"}
TRUE = {True: "1", False: "TRUE"}
FALSE = {True: "0", False: "FALSE"}

STATEMENTS = (
    """CREATE TABLE users (
        id TEXT PRIMARY KEY, username TEXT NOT NULL UNIQUE, email TEXT NOT NULL UNIQUE,
        password_hash TEXT NOT NULL, role TEXT NOT NULL, active BOOLEAN NOT NULL DEFAULT {true},
        created_ms BIGINT NOT NULL)""",
    """CREATE TABLE sessions (
        id TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        refresh_hash TEXT NOT NULL, created_ms BIGINT NOT NULL, last_accessed_ms BIGINT NOT NULL,
        expires_ms BIGINT NOT NULL, ended_ms BIGINT, ip TEXT NOT NULL DEFAULT '', agent TEXT NOT NULL DEFAULT '')""",
    "CREATE INDEX sessions_user ON sessions (user_id)",
    """CREATE TABLE monitors (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL, description TEXT NOT NULL DEFAULT '',
        active BOOLEAN NOT NULL DEFAULT {true}, interval_s INTEGER NOT NULL, timeout_ms INTEGER NOT NULL,
        max_retries INTEGER NOT NULL DEFAULT 0, retry_interval_s INTEGER, resend_interval INTEGER NOT NULL DEFAULT 0,
        upside_down BOOLEAN NOT NULL DEFAULT {false}, config TEXT NOT NULL, push_key TEXT UNIQUE,
        version INTEGER NOT NULL DEFAULT 1, created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL)""",
    """CREATE TABLE series (
        no {serial}, monitor_id TEXT NOT NULL, location TEXT NOT NULL DEFAULT '',
        status SMALLINT NOT NULL DEFAULT 5, since_ms BIGINT, failing_since_ms BIGINT,
        retries INTEGER NOT NULL DEFAULT 0, unsent INTEGER NOT NULL DEFAULT 0, told_ms BIGINT,
        deleted_ms BIGINT)""",
    "CREATE UNIQUE INDEX series_monitor ON series (monitor_id, location)",
    """CREATE TABLE eras (
        series BIGINT NOT NULL, from_ms BIGINT NOT NULL, interval_ms BIGINT NOT NULL, PRIMARY KEY (series, from_ms))""",
    """CREATE TABLE gaps (
        series BIGINT NOT NULL, from_ms BIGINT NOT NULL, to_ms BIGINT NOT NULL, reason TEXT NOT NULL,
        PRIMARY KEY (series, from_ms))""",
    """CREATE TABLE heartbeats (
        id {key}, status SMALLINT NOT NULL, flags SMALLINT NOT NULL, took_us INTEGER NOT NULL,
        code SMALLINT NOT NULL)""",
    "CREATE INDEX heartbeats_important ON heartbeats (id) WHERE flags % 2 = 1",
    "CREATE TABLE details (id {key}, message TEXT NOT NULL, detail TEXT NOT NULL DEFAULT '')",
    """CREATE TABLE channels (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL, config TEXT NOT NULL,
        active BOOLEAN NOT NULL DEFAULT {true}, is_default BOOLEAN NOT NULL DEFAULT {false},
        version INTEGER NOT NULL DEFAULT 1, created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL)""",
    """CREATE TABLE links (
        monitor_id TEXT NOT NULL REFERENCES monitors (id) ON DELETE CASCADE,
        channel_id TEXT NOT NULL REFERENCES channels (id) ON DELETE CASCADE, PRIMARY KEY (monitor_id, channel_id))""",
    "CREATE INDEX links_channel ON links (channel_id)",
    """CREATE TABLE events (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, monitor_id TEXT, at_ms BIGINT NOT NULL, data TEXT NOT NULL,
        created_ms BIGINT NOT NULL)""",
    "CREATE INDEX events_monitor ON events (monitor_id, at_ms)",
    """CREATE TABLE deliveries (
        id TEXT PRIMARY KEY, event_id TEXT NOT NULL REFERENCES events (id) ON DELETE CASCADE,
        channel_id TEXT NOT NULL REFERENCES channels (id) ON DELETE CASCADE, monitor_id TEXT,
        state TEXT NOT NULL DEFAULT 'pending', attempts INTEGER NOT NULL DEFAULT 0, at_ms BIGINT NOT NULL,
        next_at_ms BIGINT NOT NULL, lease_ms BIGINT NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '',
        created_ms BIGINT NOT NULL, sent_ms BIGINT)""",
    "CREATE UNIQUE INDEX deliveries_once ON deliveries (event_id, channel_id)",
    "CREATE INDEX deliveries_open ON deliveries (next_at_ms) WHERE state IN ('pending', 'sending')",
    "CREATE INDEX deliveries_order ON deliveries (channel_id, monitor_id, at_ms)",
)


async def forwards() -> MigrationManager:
    """Create them all, in the engine's own words."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        lite = db.is_sqlite()
        words = {"serial": SERIAL[lite], "key": KEY[lite], "true": TRUE[lite], "false": FALSE[lite]}
        for statement in STATEMENTS:
            await db.engine().run_ddl(statement.format(**words))

    manager.add_raw(run)
    return manager
