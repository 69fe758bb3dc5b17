"""Sessions remember the refresh token before the present one, so that a repeated exchange is told from a theft."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "0007_refresh_grace"
VERSION = "1.38.0"
DESCRIPTION = "the previous refresh token of a session, and when it was exchanged"


async def forwards() -> MigrationManager:
    """Add two columns. A process of the previous version leaves them as they are."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        for column in ("previous_refresh_hash TEXT", "refreshed_ms BIGINT"):
            await db.engine().run_ddl(f"ALTER TABLE sessions ADD COLUMN {column}")

    manager.add_raw(run)
    return manager
