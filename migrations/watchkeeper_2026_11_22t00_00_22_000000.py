"""Deliveries: which course one takes, since when its age counts; channels: what their trouble is."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "2026-11-22T00:00:22:000000"
VERSION = "1.38.0"
DESCRIPTION = "courses of deliveries"

STATEMENTS = (
    "ALTER TABLE deliveries ADD COLUMN course TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE deliveries ADD COLUMN since_ms BIGINT",
    """CREATE INDEX deliveries_family ON deliveries (channel_id, monitor_id, at_ms)
        WHERE state IN ('pending', 'sending')""",
    "CREATE INDEX deliveries_sent ON deliveries (channel_id, sent_ms) WHERE sent_ms IS NOT NULL",
    "ALTER TABLE channels ADD COLUMN trouble TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE channels ADD COLUMN trouble_ms BIGINT",
)


async def forwards() -> MigrationManager:
    """Add them; what is on its way goes on."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        for statement in STATEMENTS:
            await db.engine().run_ddl(statement)

    manager.add_raw(run)
    return manager
