"""Keyed hashes of API keys have a key of their own."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "2026-11-22T00:00:18:000000"
VERSION = "1.38.0"
DESCRIPTION = "peppers"


async def forwards() -> MigrationManager:
    """Create them."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        await db.engine().run_ddl("CREATE TABLE peppers (name TEXT PRIMARY KEY, secret TEXT NOT NULL)")

    manager.add_raw(run)
    return manager
