"""API keys: programs that sign in with a secret of their own."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "2026-11-22T00:00:11:000000"
VERSION = "1.38.0"
DESCRIPTION = "API keys"

STATEMENTS = (
    """CREATE TABLE api_keys (
        id TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE, name TEXT NOT NULL,
        prefix TEXT NOT NULL, hash TEXT NOT NULL UNIQUE, role TEXT NOT NULL, scopes TEXT,
        networks TEXT NOT NULL DEFAULT '[]', expires_ms BIGINT, active BOOLEAN NOT NULL DEFAULT {true},
        version INTEGER NOT NULL DEFAULT 1, created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL,
        last_used_ms BIGINT, last_used_ip TEXT NOT NULL DEFAULT '')""",
    "CREATE INDEX api_keys_user ON api_keys (user_id)",
)


async def forwards() -> MigrationManager:
    """Create them."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        true = "1" if db.is_sqlite() else "TRUE"
        for statement in STATEMENTS:
            await db.engine().run_ddl(statement.replace("{true}", true))

    manager.add_raw(run)
    return manager
