"""History outlives what it names: deleted channels stay while deliveries refer to them, incidents keep their monitor.

SQLite can't drop the foreign key of `deliveries.channel_id` without copying the table, so a deleted channel stays as a
row: `app.store.alerting.deleted_channels`. Incidents of monitors that were deleted before get the name and type from
the event `monitor.deleted`, as long as that is there.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "0002_kept_history"
VERSION = "1.38.0"
DESCRIPTION = "deleted channels, and names of deleted monitors"

STATEMENTS = (
    "ALTER TABLE channels ADD COLUMN deleted_ms BIGINT",
    "ALTER TABLE incidents ADD COLUMN kept_monitor_name TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE incidents ADD COLUMN kept_monitor_type TEXT NOT NULL DEFAULT ''",
    """UPDATE incidents SET kept_monitor_name = COALESCE({json}->'monitor'->>'name', ''),
        kept_monitor_type = COALESCE({json}->'monitor'->>'type', '')
        FROM events e WHERE e.monitor_id = incidents.monitor_id AND e.kind = 'monitor.deleted'
        AND NOT EXISTS (SELECT 1 FROM monitors m WHERE m.id = incidents.monitor_id)""",
)


async def forwards() -> MigrationManager:
    """Add the columns, and fill those of incidents."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        json = "e.data" if db.is_sqlite() else "CAST(e.data AS JSON)"
        for statement in STATEMENTS:
            await db.engine().run_ddl(statement.format(json=json))

    manager.add_raw(run)
    return manager
