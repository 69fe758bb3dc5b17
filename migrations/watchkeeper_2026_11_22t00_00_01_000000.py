"""Rollups: what remains of heartbeats once they are old, and marks of how far that work has come."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "2026-11-22T00:00:01:000000"
VERSION = "1.38.0"
DESCRIPTION = "rollups"

KEY = {True: "INTEGER PRIMARY KEY", False: "BIGINT PRIMARY KEY"}
BYTES = {True: "BLOB", False: "BYTEA"}

STATEMENTS = (
    "CREATE TABLE rollups (id {key}, data {bytes} NOT NULL)",
    "CREATE TABLE marks (name TEXT PRIMARY KEY, at_ms BIGINT NOT NULL)",
)


async def forwards() -> MigrationManager:
    """Create them, in the engine's own words."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        lite = db.is_sqlite()
        for statement in STATEMENTS:
            await db.engine().run_ddl(statement.format(key=KEY[lite], bytes=BYTES[lite]))

    manager.add_raw(run)
    return manager
