"""Failed attempts to prove who one is, and the addresses each account has proved itself from."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "2026-11-22T00:00:12:000000"
VERSION = "1.38.0"
DESCRIPTION = "attempts"

SERIAL = {True: "INTEGER PRIMARY KEY AUTOINCREMENT", False: "BIGSERIAL PRIMARY KEY"}

STATEMENTS = (
    """CREATE TABLE attempts (
        id {serial}, proof TEXT NOT NULL, account TEXT NOT NULL, address TEXT NOT NULL,
        at_ms BIGINT NOT NULL, until_ms BIGINT NOT NULL)""",
    "CREATE INDEX attempts_account ON attempts (proof, account, at_ms)",
    "CREATE INDEX attempts_address ON attempts (proof, address, at_ms)",
    "CREATE INDEX attempts_until ON attempts (until_ms)",
    """CREATE TABLE familiar (
        proof TEXT NOT NULL, account TEXT NOT NULL, address TEXT NOT NULL, at_ms BIGINT NOT NULL,
        PRIMARY KEY (proof, account, address))""",
)


async def forwards() -> MigrationManager:
    """Create them, in the engine's own words."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        for statement in STATEMENTS:
            await db.engine().run_ddl(statement.format(serial=SERIAL[db.is_sqlite()]))

    manager.add_raw(run)
    return manager
