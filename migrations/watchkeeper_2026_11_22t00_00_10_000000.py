"""Users have versions; people come by invitation; tokens are signed with keys that can be changed."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "2026-11-22T00:00:10:000000"
VERSION = "1.38.0"
DESCRIPTION = "versions of users, invitations, signing keys"

STATEMENTS = (
    "ALTER TABLE users ADD COLUMN version INTEGER NOT NULL DEFAULT 1",
    """CREATE TABLE invitations (
        id TEXT PRIMARY KEY, email TEXT NOT NULL, role TEXT NOT NULL, token_hash TEXT NOT NULL UNIQUE,
        invited_by TEXT NOT NULL, created_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL,
        accepted_ms BIGINT, revoked_ms BIGINT)""",
    "CREATE INDEX invitations_email ON invitations (email)",
    "CREATE TABLE signing_keys (id TEXT PRIMARY KEY, secret TEXT NOT NULL, signs_from_ms BIGINT NOT NULL)",
)


async def forwards() -> MigrationManager:
    """Create them."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        for statement in STATEMENTS:
            await db.engine().run_ddl(statement)

    manager.add_raw(run)
    return manager
