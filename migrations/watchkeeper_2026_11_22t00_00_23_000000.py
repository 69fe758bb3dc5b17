"""Webhooks: when a secret was rotated. Expiries: what was said, so that the end itself can be told."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "2026-11-22T00:00:23:000000"
VERSION = "1.38.0"
DESCRIPTION = "webhooks and expiries"

STATEMENTS = (
    "ALTER TABLE channels ADD COLUMN rotated_ms BIGINT",
    "ALTER TABLE expiries ADD COLUMN name TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE expiries ADD COLUMN issuer TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE expiries ADD COLUMN ends_ms BIGINT NOT NULL DEFAULT 0",
)


async def forwards() -> MigrationManager:
    """Add the columns."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        for statement in STATEMENTS:
            await db.engine().run_ddl(statement)

    manager.add_raw(run)
    return manager
