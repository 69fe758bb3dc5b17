"""The proxy that a channel or a webhook connects through."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "0004_channel_proxy"
VERSION = "1.38.0"
DESCRIPTION = "proxies of channels"

STATEMENTS = (
    "ALTER TABLE channels ADD COLUMN proxy_id TEXT REFERENCES proxies (id)",
    "CREATE INDEX channels_proxy ON channels (proxy_id) WHERE proxy_id IS NOT NULL",
)


async def forwards() -> MigrationManager:
    """Add the column and its index."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        for statement in STATEMENTS:
            await db.engine().run_ddl(statement)

    manager.add_raw(run)
    return manager
