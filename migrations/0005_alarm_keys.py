"""Since when alarms are open, so that their ends are announced: of monitors, failing channels, expiring certificates.

Additive: processes of the previous version keep working with these columns at their defaults. Notices of certificates
and domains that are there already count as closed, since their alarms have another key.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "0005_alarm_keys"
VERSION = "1.38.0"
DESCRIPTION = "begin of alarms about monitors, channels, certificates"

STATEMENTS = (
    "ALTER TABLE series ADD COLUMN degraded_ms BIGINT",
    "ALTER TABLE series ADD COLUMN unknown_ms BIGINT",
    "ALTER TABLE series ADD COLUMN expiring TEXT",
    "ALTER TABLE channels ADD COLUMN alerted_ms BIGINT",
    "ALTER TABLE expiry_notices ADD COLUMN closed_ms BIGINT",
    "UPDATE expiry_notices SET closed_ms = at_ms",
    "CREATE INDEX expiry_notices_open ON expiry_notices (monitor_id) WHERE closed_ms IS NULL",
)


async def forwards() -> MigrationManager:
    """The change, for whichever engine is open."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        for statement in STATEMENTS:
            await db.engine().run_ddl(statement)

    manager.add_raw(run)
    return manager
