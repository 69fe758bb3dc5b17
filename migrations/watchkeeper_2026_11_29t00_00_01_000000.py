"""A series says itself which slot was judged last, while heartbeats of a clock that was ahead lie later.

Usually that is its newest heartbeat, and the column is empty: nobody writes it for a check.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "2026-11-29T00:00:01:000000"
VERSION = "1.38.0"
DESCRIPTION = "series keep their order when the clock was ahead"


async def forwards() -> MigrationManager:
    """Add the column."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        await db.engine().run_ddl("ALTER TABLE series ADD COLUMN order_ms BIGINT")

    manager.add_raw(run)
    return manager
