"""Leases of deliveries name the process that has them, so that they end with it.

Additive: a process of the previous version leaves the column as it is; the owner of an earlier attempt means nothing.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "0006_lease_owner"
VERSION = "1.38.0"
DESCRIPTION = "the process that sends a delivery"


async def forwards() -> MigrationManager:
    """Add the column."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        await db.engine().run_ddl("ALTER TABLE deliveries ADD COLUMN lease_owner TEXT NOT NULL DEFAULT ''")

    manager.add_raw(run)
    return manager
