"""Second factors, passkeys and their challenges, and identities at a provider."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "2026-11-22T00:00:13:000000"
VERSION = "1.38.0"
DESCRIPTION = "second factors and identities"

OWNER = "user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE"
STATEMENTS = (
    """CREATE TABLE totp (
        user_id TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE, secret TEXT NOT NULL,
        last_step BIGINT NOT NULL DEFAULT 0, active_ms BIGINT, created_ms BIGINT NOT NULL)""",
    f"""CREATE TABLE recovery_codes (
        {OWNER}, code_hash TEXT NOT NULL, used_ms BIGINT, PRIMARY KEY (user_id, code_hash))""",
    f"""CREATE TABLE passkeys (
        id TEXT PRIMARY KEY, {OWNER}, name TEXT NOT NULL, rp_id TEXT NOT NULL, credential_id TEXT NOT NULL UNIQUE,
        public_key TEXT NOT NULL, sign_count BIGINT NOT NULL, transports TEXT NOT NULL,
        created_ms BIGINT NOT NULL, last_used_ms BIGINT)""",
    "CREATE INDEX passkeys_user ON passkeys (user_id)",
    f"""CREATE TABLE challenges (
        {OWNER}, purpose TEXT NOT NULL, challenge TEXT NOT NULL, expires_ms BIGINT NOT NULL,
        PRIMARY KEY (user_id, purpose))""",
    f"""CREATE TABLE identities (
        issuer TEXT NOT NULL, subject TEXT NOT NULL, {OWNER}, created_ms BIGINT NOT NULL,
        PRIMARY KEY (issuer, subject))""",
    "CREATE INDEX identities_user ON identities (user_id)",
)


async def forwards() -> MigrationManager:
    """Create them."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        for statement in STATEMENTS:
            await db.engine().run_ddl(statement)

    manager.add_raw(run)
    return manager
