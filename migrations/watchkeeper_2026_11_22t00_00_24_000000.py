"""Open incidents are found without looking at those that are over; and who uses an escalation."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "2026-11-22T00:00:24:000000"
VERSION = "1.38.0"
DESCRIPTION = "open incidents"

STATEMENTS = (
    "CREATE INDEX incidents_unresolved ON incidents (started_ms) WHERE resolved_ms IS NULL",
    "CREATE INDEX monitors_escalation ON monitors (escalation_id) WHERE escalation_id IS NOT NULL",
)


async def forwards() -> MigrationManager:
    """Create them."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        for statement in STATEMENTS:
            await db.engine().run_ddl(statement)

    manager.add_raw(run)
    return manager
