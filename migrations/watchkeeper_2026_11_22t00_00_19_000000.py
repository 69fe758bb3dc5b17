"""The audit log says which API key it was."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "2026-11-22T00:00:19:000000"
VERSION = "1.38.0"
DESCRIPTION = "keys in the audit log"


async def forwards() -> MigrationManager:
    """Add it; of older entries nobody knows."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        await db.engine().run_ddl("ALTER TABLE audit ADD COLUMN key_id TEXT NOT NULL DEFAULT ''")

    manager.add_raw(run)
    return manager
