"""Groups are found without looking at every monitor: who sends an alert asks whether one speaks for its monitor."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "2026-11-22T00:00:27:000000"
VERSION = "1.38.0"
DESCRIPTION = "groups are found"


async def forwards() -> MigrationManager:
    """Add the index."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        await db.engine().run_ddl("CREATE INDEX monitors_groups ON monitors (name) WHERE type = 'group'")

    manager.add_raw(run)
    return manager
