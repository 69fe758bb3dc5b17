"""Tags, which monitors bear them, and which viewers see by them."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "2026-11-22T00:00:17:000000"
VERSION = "1.38.0"
DESCRIPTION = "tags"

STATEMENTS = (
    """CREATE TABLE tags (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, folded TEXT NOT NULL UNIQUE, color TEXT NOT NULL,
        description TEXT NOT NULL DEFAULT '', version INTEGER NOT NULL DEFAULT 1,
        created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL)""",
    """CREATE TABLE monitor_tags (
        tag_id TEXT NOT NULL REFERENCES tags (id) ON DELETE CASCADE,
        monitor_id TEXT NOT NULL REFERENCES monitors (id) ON DELETE CASCADE, PRIMARY KEY (tag_id, monitor_id))""",
    "CREATE INDEX monitor_tags_monitor ON monitor_tags (monitor_id)",
    # No cascade from tags: a viewer who lost the last one would see everything.
    """CREATE TABLE viewer_tags (
        user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        tag_id TEXT NOT NULL REFERENCES tags (id), PRIMARY KEY (user_id, tag_id))""",
    "CREATE INDEX viewer_tags_tag ON viewer_tags (tag_id)",
)


async def forwards() -> MigrationManager:
    """Create them."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        for statement in STATEMENTS:
            await db.engine().run_ddl(statement)

    manager.add_raw(run)
    return manager
