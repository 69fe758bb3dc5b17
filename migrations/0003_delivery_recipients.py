"""Which recipients a delivery has reached, and which rejections count against a channel.

Additive: processes of the previous version keep working with these columns at their defaults.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "0003_delivery_recipients"
VERSION = "1.38.0"
DESCRIPTION = "recipients of deliveries, rejected messages of channels"

STATEMENTS = (
    "ALTER TABLE deliveries ADD COLUMN recipients TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE deliveries ADD COLUMN rejections INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE delivery_attempts ADD COLUMN recipients TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE channels ADD COLUMN rejected_messages INTEGER NOT NULL DEFAULT 0",
)


async def forwards() -> MigrationManager:
    """The change, for whichever engine is open."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        for statement in STATEMENTS:
            await db.engine().run_ddl(statement)

    manager.add_raw(run)
    return manager
