"""Deliveries: PostgreSQL plans without believing how many were open when it last looked.

In quiet times none is. When 4,000 monitors fail together it goes on expecting none, and reads everything that is open
for each delivery that is claimed (330 ms for 50 of them) or swept (5 s). Without statistics that is 7 ms and 11 ms.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "2026-11-22T00:00:28:000000"
VERSION = "1.38.0"
DESCRIPTION = "plans for deliveries"

STATEMENTS = (
    "ALTER TABLE deliveries ALTER COLUMN state TYPE TEXT",  # as it was; forgets what is known of it
    "ALTER TABLE deliveries ALTER COLUMN state SET STATISTICS 0",
)


async def forwards() -> MigrationManager:
    """Forget the statistics, and gather no more. SQLite has none."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        if not db.is_sqlite():
            for statement in STATEMENTS:
                await db.engine().run_ddl(statement)

    manager.add_raw(run)
    return manager
