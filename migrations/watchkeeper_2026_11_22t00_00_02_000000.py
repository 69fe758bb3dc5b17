"""Schedules: monitors and eras know cron expressions beside intervals."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "2026-11-22T00:00:02:000000"
VERSION = "1.38.0"
DESCRIPTION = "cron schedules"

STATEMENTS = tuple(
    f"ALTER TABLE {table} ADD COLUMN {column} TEXT NOT NULL DEFAULT '{usual}'"
    for table in ("monitors", "eras")
    for column, usual in (("cron", ""), ("timezone", "UTC"))
)


async def forwards() -> MigrationManager:
    """Add them; all there is goes on by its interval."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        for statement in STATEMENTS:
            await db.engine().run_ddl(statement)

    manager.add_raw(run)
    return manager
