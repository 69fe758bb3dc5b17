"""Proxies, and which monitors go through them."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "2026-11-22T00:00:05:000000"
VERSION = "1.38.0"
DESCRIPTION = "proxies"

STATEMENTS = (
    """CREATE TABLE proxies (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, protocol TEXT NOT NULL, config TEXT NOT NULL,
        version INTEGER NOT NULL DEFAULT 1, created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL)""",
    """CREATE TABLE proxy_uses (
        monitor_id TEXT PRIMARY KEY REFERENCES monitors (id) ON DELETE CASCADE,
        proxy_id TEXT NOT NULL REFERENCES proxies (id))""",
    "CREATE INDEX proxy_uses_proxy ON proxy_uses (proxy_id)",
)


async def forwards() -> MigrationManager:
    """Create them."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        for statement in STATEMENTS:
            await db.engine().run_ddl(statement)

    manager.add_raw(run)
    return manager
