"""A delivery that was held back may be called for after all."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "2026-11-22T00:00:21:000000"
VERSION = "1.38.0"
DESCRIPTION = "reopened deliveries"


async def forwards() -> MigrationManager:
    """Add when it was; of older ones none was."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        await db.engine().run_ddl("ALTER TABLE deliveries ADD COLUMN reopened_ms BIGINT")

    manager.add_raw(run)
    return manager
