"""The audit log, which refuses to be changed, and replies that are kept for who asks twice."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "2026-11-22T00:00:15:000000"
VERSION = "1.38.0"
DESCRIPTION = "audit log and idempotency keys"

STATEMENTS = (
    """CREATE TABLE audit (
        seq BIGINT PRIMARY KEY, at_ms BIGINT NOT NULL, actor_id TEXT NOT NULL, actor TEXT NOT NULL,
        role TEXT NOT NULL, via TEXT NOT NULL, ip TEXT NOT NULL, action TEXT NOT NULL, resource TEXT NOT NULL,
        resource_id TEXT NOT NULL, change TEXT NOT NULL, outcome TEXT NOT NULL, code TEXT NOT NULL,
        request_id TEXT NOT NULL, hash TEXT NOT NULL)""",
    "CREATE INDEX audit_at ON audit (at_ms)",
    "CREATE INDEX audit_actor ON audit (actor_id, seq)",
    "CREATE INDEX audit_resource ON audit (resource_id, seq)",
    "CREATE TABLE audit_marks (name TEXT PRIMARY KEY, seq BIGINT NOT NULL, hash TEXT NOT NULL, seal TEXT NOT NULL)",
    """CREATE TABLE idempotency (
        id TEXT PRIMARY KEY, body_hash TEXT NOT NULL, status INTEGER NOT NULL, reply TEXT NOT NULL,
        lease_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL)""",
    "CREATE INDEX idempotency_expires ON idempotency (expires_ms)",
)

# What retention removes lies behind the anchor, which has moved on before: see `app.store.audit.chain.delete_before`.
KEPT = "OLD.seq > COALESCE((SELECT seq FROM audit_marks WHERE name = 'anchor'), 0)"
SQLITE_TRIGGERS = (
    """CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
    f"""CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit WHEN {KEPT}
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
)
POSTGRES_TRIGGERS = (
    f"""CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'DELETE' AND NOT ({KEPT}) THEN RETURN OLD; END IF;
        RAISE EXCEPTION 'the audit log is append-only'; END $$""",
    "CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
)


async def forwards() -> MigrationManager:
    """Create them. CockroachDB has no such triggers: there the chain alone tells of a change."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        triggers: tuple[str, ...] = SQLITE_TRIGGERS
        if not db.is_sqlite():
            (version,) = await db.rows("SELECT version() AS name")
            triggers = () if "Cockroach" in version["name"] else POSTGRES_TRIGGERS
        for statement in (*STATEMENTS, *triggers):
            await db.engine().run_ddl(statement)

    manager.add_raw(run)
    return manager
