"""Every table of the first release.

Columns that end in `_ms` are epoch milliseconds or lengths in milliseconds; JSON is stored as text. Closed sets of
values have a CHECK. Sets that grow with the product have none, since SQLite can't change a CHECK: types of monitors,
channels and events, and `deliveries.reason_code`. Neither have heartbeats, which are written most.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "0001_initial"
VERSION = "1.38.0"
DESCRIPTION = "all tables of the first release"

# What the engines write differently.
SQLITE = {
    "serial": "INTEGER PRIMARY KEY AUTOINCREMENT",
    "key": "INTEGER PRIMARY KEY",
    "bytes": "BLOB",
    "true": "1",
    "false": "0",
}
POSTGRES = {
    "serial": "BIGSERIAL PRIMARY KEY",
    "key": "BIGINT PRIMARY KEY",
    "bytes": "BYTEA",
    "true": "TRUE",
    "false": "FALSE",
}

USER = "user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE"
MONITOR = "monitor_id TEXT NOT NULL REFERENCES monitors (id) ON DELETE CASCADE"
CHANNEL = "channel_id TEXT NOT NULL REFERENCES channels (id) ON DELETE CASCADE"
VERSIONED = "version INTEGER NOT NULL DEFAULT 1, created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL"
ROLE = "role TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'admin'))"
STATUS = "CHECK (status BETWEEN 0 AND 5)"

IDENTITY = (
    f"""CREATE TABLE users (
        id TEXT PRIMARY KEY, username TEXT NOT NULL UNIQUE, email TEXT NOT NULL UNIQUE, password_hash TEXT NOT NULL,
        {ROLE}, active BOOLEAN NOT NULL DEFAULT {{true}}, version INTEGER NOT NULL DEFAULT 1,
        created_ms BIGINT NOT NULL)""",
    f"""CREATE TABLE sessions (
        id TEXT PRIMARY KEY, {USER}, refresh_hash TEXT NOT NULL, created_ms BIGINT NOT NULL,
        last_accessed_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL, ended_ms BIGINT, ip TEXT NOT NULL DEFAULT '',
        agent TEXT NOT NULL DEFAULT '')""",
    "CREATE INDEX sessions_user ON sessions (user_id)",
    f"""CREATE TABLE invitations (
        id TEXT PRIMARY KEY, email TEXT NOT NULL, {ROLE}, token_hash TEXT NOT NULL UNIQUE, invited_by TEXT NOT NULL,
        created_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL, accepted_ms BIGINT, revoked_ms BIGINT)""",
    "CREATE INDEX invitations_email ON invitations (email)",
    f"""CREATE TABLE api_keys (
        id TEXT PRIMARY KEY, {USER}, name TEXT NOT NULL, prefix TEXT NOT NULL, hash TEXT NOT NULL UNIQUE, {ROLE},
        scopes TEXT, networks TEXT NOT NULL DEFAULT '[]', expires_ms BIGINT,
        active BOOLEAN NOT NULL DEFAULT {{true}}, last_used_ms BIGINT, last_used_ip TEXT NOT NULL DEFAULT '',
        {VERSIONED})""",
    "CREATE INDEX api_keys_user ON api_keys (user_id)",
    "CREATE TABLE signing_keys (id TEXT PRIMARY KEY, secret TEXT NOT NULL, signs_from_ms BIGINT NOT NULL)",
    "CREATE TABLE key_peppers (name TEXT PRIMARY KEY, secret TEXT NOT NULL)",
    """CREATE TABLE login_failures (
        id {serial}, credential_kind TEXT NOT NULL, account TEXT NOT NULL, address TEXT NOT NULL,
        at_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL)""",
    "CREATE INDEX login_failures_account ON login_failures (credential_kind, account, at_ms)",
    "CREATE INDEX login_failures_address ON login_failures (credential_kind, address, at_ms)",
    "CREATE INDEX login_failures_expires ON login_failures (expires_ms)",
    """CREATE TABLE known_addresses (
        credential_kind TEXT NOT NULL, account TEXT NOT NULL, address TEXT NOT NULL, at_ms BIGINT NOT NULL,
        PRIMARY KEY (credential_kind, account, address))""",
    """CREATE TABLE totp (
        user_id TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE, secret TEXT NOT NULL,
        last_step BIGINT NOT NULL DEFAULT 0, active_ms BIGINT, created_ms BIGINT NOT NULL)""",
    f"CREATE TABLE recovery_codes ({USER}, code_hash TEXT NOT NULL, used_ms BIGINT, PRIMARY KEY (user_id, code_hash))",
    f"""CREATE TABLE passkeys (
        id TEXT PRIMARY KEY, {USER}, name TEXT NOT NULL, rp_id TEXT NOT NULL, credential_id TEXT NOT NULL UNIQUE,
        public_key TEXT NOT NULL, sign_count BIGINT NOT NULL, transports TEXT NOT NULL, created_ms BIGINT NOT NULL,
        last_used_ms BIGINT)""",
    "CREATE INDEX passkeys_user ON passkeys (user_id)",
    f"""CREATE TABLE webauthn_challenges (
        {USER}, purpose TEXT NOT NULL, challenge TEXT NOT NULL, expires_ms BIGINT NOT NULL,
        PRIMARY KEY (user_id, purpose))""",
    f"""CREATE TABLE oidc_identities (
        issuer TEXT NOT NULL, subject TEXT NOT NULL, {USER}, created_ms BIGINT NOT NULL,
        PRIMARY KEY (issuer, subject))""",
    "CREATE INDEX oidc_identities_user ON oidc_identities (user_id)",
)

MONITORING = (
    f"""CREATE TABLE escalations (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, steps TEXT NOT NULL, repeat INTEGER NOT NULL DEFAULT 0,
        {VERSIONED})""",
    f"""CREATE TABLE monitors (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL, description TEXT NOT NULL DEFAULT '',
        active BOOLEAN NOT NULL DEFAULT {{true}}, interval_s INTEGER NOT NULL, cron TEXT NOT NULL DEFAULT '',
        timezone TEXT NOT NULL DEFAULT 'UTC', timeout_ms INTEGER NOT NULL, max_retries INTEGER NOT NULL DEFAULT 0,
        retry_interval_s INTEGER, resend_interval INTEGER NOT NULL DEFAULT 0,
        upside_down BOOLEAN NOT NULL DEFAULT {{false}}, config TEXT NOT NULL,
        group_alerts TEXT CHECK (group_alerts IN ('both', 'group', 'members')),
        escalation_id TEXT REFERENCES escalations (id) ON DELETE SET NULL, push_key TEXT UNIQUE, {VERSIONED})""",
    "CREATE INDEX monitors_escalation ON monitors (escalation_id) WHERE escalation_id IS NOT NULL",
    f"""CREATE TABLE series (
        no {{serial}}, monitor_id TEXT NOT NULL, location TEXT NOT NULL DEFAULT '',
        status SMALLINT NOT NULL DEFAULT 5 {STATUS}, status_since_ms BIGINT, failing_since_ms BIGINT,
        retries INTEGER NOT NULL DEFAULT 0, failures_since_alert INTEGER NOT NULL DEFAULT 0, alerted_ms BIGINT,
        deleted_ms BIGINT, order_ms BIGINT)""",
    "CREATE UNIQUE INDEX series_monitor ON series (monitor_id, location)",
    """CREATE TABLE schedule_periods (
        series BIGINT NOT NULL, from_ms BIGINT NOT NULL, interval_ms BIGINT NOT NULL, cron TEXT NOT NULL DEFAULT '',
        timezone TEXT NOT NULL DEFAULT 'UTC', PRIMARY KEY (series, from_ms))""",
    """CREATE TABLE gaps (
        series BIGINT NOT NULL, from_ms BIGINT NOT NULL, to_ms BIGINT NOT NULL, reason TEXT NOT NULL,
        PRIMARY KEY (series, from_ms))""",
    f"""CREATE TABLE dependencies (
        {MONITOR}, parent_id TEXT NOT NULL REFERENCES monitors (id) ON DELETE CASCADE,
        PRIMARY KEY (monitor_id, parent_id))""",
    "CREATE INDEX dependencies_parent ON dependencies (parent_id)",
    """CREATE TABLE group_members (
        group_id TEXT NOT NULL REFERENCES monitors (id) ON DELETE CASCADE,
        monitor_id TEXT NOT NULL REFERENCES monitors (id) ON DELETE CASCADE, position INTEGER NOT NULL,
        PRIMARY KEY (group_id, monitor_id))""",
    "CREATE INDEX group_members_monitor ON group_members (monitor_id)",
    f"""CREATE TABLE tags (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, name_key TEXT NOT NULL UNIQUE, color TEXT NOT NULL,
        description TEXT NOT NULL DEFAULT '', {VERSIONED})""",
    f"""CREATE TABLE monitor_tags (
        tag_id TEXT NOT NULL REFERENCES tags (id) ON DELETE CASCADE, {MONITOR}, PRIMARY KEY (tag_id, monitor_id))""",
    "CREATE INDEX monitor_tags_monitor ON monitor_tags (monitor_id)",
    # No cascade from tags: a viewer who lost the last one would see everything.
    f"""CREATE TABLE viewer_tags (
        {USER}, tag_id TEXT NOT NULL REFERENCES tags (id), PRIMARY KEY (user_id, tag_id))""",
    "CREATE INDEX viewer_tags_tag ON viewer_tags (tag_id)",
    f"""CREATE TABLE proxies (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, protocol TEXT NOT NULL, config TEXT NOT NULL, {VERSIONED})""",
    """CREATE TABLE monitor_proxies (
        monitor_id TEXT PRIMARY KEY REFERENCES monitors (id) ON DELETE CASCADE,
        proxy_id TEXT NOT NULL REFERENCES proxies (id))""",
    "CREATE INDEX monitor_proxies_proxy ON monitor_proxies (proxy_id)",
)

HISTORY = (
    """CREATE TABLE heartbeats (
        id {key}, status SMALLINT NOT NULL, flags SMALLINT NOT NULL, took_us INTEGER NOT NULL,
        code SMALLINT NOT NULL)""",
    "CREATE INDEX heartbeats_important ON heartbeats (id) WHERE flags % 2 = 1",
    "CREATE TABLE heartbeat_details (id {key}, message TEXT NOT NULL, detail TEXT NOT NULL DEFAULT '')",
    "CREATE TABLE rollups (id {key}, data {bytes} NOT NULL)",
)

ALERTING = (
    f"""CREATE TABLE channels (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL, config TEXT NOT NULL,
        active BOOLEAN NOT NULL DEFAULT {{true}}, is_default BOOLEAN NOT NULL DEFAULT {{false}},
        kind TEXT NOT NULL DEFAULT 'channel' CHECK (kind IN ('channel', 'webhook')),
        is_temporary BOOLEAN NOT NULL DEFAULT {{false}}, all_monitors BOOLEAN NOT NULL DEFAULT {{false}},
        rules TEXT NOT NULL DEFAULT '{{{{}}}}', temporary_failures INTEGER NOT NULL DEFAULT 0,
        permanent_failures INTEGER NOT NULL DEFAULT 0, circuit_open_until_ms BIGINT NOT NULL DEFAULT 0,
        disabled_ms BIGINT, disabled_reason TEXT NOT NULL DEFAULT '', last_error TEXT NOT NULL DEFAULT '',
        failing_since_ms BIGINT, rotated_ms BIGINT, {VERSIONED})""",
    f"CREATE TABLE monitor_channels ({MONITOR}, {CHANNEL}, PRIMARY KEY (monitor_id, channel_id))",
    "CREATE INDEX monitor_channels_channel ON monitor_channels (channel_id)",
    f"""CREATE TABLE channel_tags (
        {CHANNEL}, tag_id TEXT NOT NULL REFERENCES tags (id) ON DELETE CASCADE, PRIMARY KEY (channel_id, tag_id))""",
    "CREATE INDEX channel_tags_tag ON channel_tags (tag_id)",
    """CREATE TABLE events (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, is_test BOOLEAN NOT NULL DEFAULT {false}, monitor_id TEXT,
        incident_id TEXT, at_ms BIGINT NOT NULL, data TEXT NOT NULL, created_ms BIGINT NOT NULL)""",
    "CREATE INDEX events_monitor ON events (monitor_id, at_ms)",
    "CREATE INDEX events_incident ON events (incident_id) WHERE incident_id IS NOT NULL",
    f"""CREATE TABLE deliveries (
        id TEXT PRIMARY KEY, event_id TEXT NOT NULL REFERENCES events (id) ON DELETE CASCADE, {CHANNEL},
        monitor_id TEXT, state TEXT NOT NULL DEFAULT 'pending'
            CHECK (state IN ('pending', 'sending', 'sent', 'dead', 'suppressed')),
        hold TEXT NOT NULL DEFAULT '' CHECK (hold IN ('', 'held', 'grouped', 'resent')),
        attempts INTEGER NOT NULL DEFAULT 0, at_ms BIGINT NOT NULL, next_attempt_ms BIGINT NOT NULL,
        lease_until_ms BIGINT NOT NULL DEFAULT 0, reason_code TEXT NOT NULL DEFAULT '', error TEXT NOT NULL DEFAULT '',
        digest_id TEXT, age_from_ms BIGINT, released_ms BIGINT, created_ms BIGINT NOT NULL, sent_ms BIGINT)""",
    "CREATE UNIQUE INDEX deliveries_once ON deliveries (event_id, channel_id)",
    "CREATE INDEX deliveries_open ON deliveries (next_attempt_ms) WHERE state IN ('pending', 'sending')",
    "CREATE INDEX deliveries_order ON deliveries (channel_id, monitor_id, at_ms)",
    """CREATE INDEX deliveries_related ON deliveries (channel_id, monitor_id, at_ms)
        WHERE state IN ('pending', 'sending')""",
    "CREATE INDEX deliveries_digest ON deliveries (digest_id) WHERE digest_id IS NOT NULL",
    "CREATE INDEX deliveries_created ON deliveries (created_ms)",
    "CREATE INDEX deliveries_suppressed ON deliveries (monitor_id) WHERE state = 'suppressed'",
    "CREATE INDEX deliveries_sent ON deliveries (channel_id, sent_ms) WHERE sent_ms IS NOT NULL",
    """CREATE TABLE delivery_attempts (
        delivery_id TEXT NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE, attempt INTEGER NOT NULL,
        at_ms BIGINT NOT NULL, took_ms INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('pending', 'sent', 'dead', 'suppressed')),
        error TEXT NOT NULL DEFAULT '', PRIMARY KEY (delivery_id, attempt))""",
    f"""CREATE TABLE expiry_notices (
        {MONITOR}, kind TEXT NOT NULL CHECK (kind IN ('certificate', 'domain')), identity TEXT NOT NULL,
        days INTEGER NOT NULL, name TEXT NOT NULL DEFAULT '', issuer TEXT NOT NULL DEFAULT '',
        ends_ms BIGINT NOT NULL DEFAULT 0, at_ms BIGINT NOT NULL, PRIMARY KEY (monitor_id, kind, identity, days))""",
    f"""CREATE TABLE incidents (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL DEFAULT 'automatic' CHECK (kind IN ('automatic', 'manual')),
        monitor_id TEXT, title TEXT NOT NULL, is_public BOOLEAN NOT NULL DEFAULT {{false}}, started_ms BIGINT NOT NULL,
        detected_ms BIGINT NOT NULL, acknowledged_ms BIGINT, acknowledged_by TEXT NOT NULL DEFAULT '',
        resolved_ms BIGINT, post_mortem TEXT NOT NULL DEFAULT '', escalation_id TEXT,
        escalation_step INTEGER NOT NULL DEFAULT 0, next_escalation_ms BIGINT, {VERSIONED})""",
    "CREATE UNIQUE INDEX incidents_open ON incidents (monitor_id) WHERE resolved_ms IS NULL AND kind = 'automatic'",
    "CREATE INDEX incidents_monitor ON incidents (monitor_id, started_ms)",
    "CREATE INDEX incidents_started ON incidents (started_ms)",
    "CREATE INDEX incidents_unresolved ON incidents (started_ms) WHERE resolved_ms IS NULL",
    "CREATE INDEX incidents_due ON incidents (next_escalation_ms) WHERE next_escalation_ms IS NOT NULL",
    """CREATE TABLE incident_entries (
        id {serial}, incident_id TEXT NOT NULL REFERENCES incidents (id) ON DELETE CASCADE, at_ms BIGINT NOT NULL,
        kind TEXT NOT NULL, text TEXT NOT NULL DEFAULT '', author TEXT NOT NULL DEFAULT '')""",
    "CREATE INDEX incident_entries_incident ON incident_entries (incident_id, id)",
)

SYSTEM = (
    """CREATE TABLE audit (
        seq BIGINT PRIMARY KEY, at_ms BIGINT NOT NULL, actor_id TEXT NOT NULL, actor TEXT NOT NULL,
        role TEXT NOT NULL, via TEXT NOT NULL, key_id TEXT NOT NULL DEFAULT '', ip TEXT NOT NULL, action TEXT NOT NULL,
        resource TEXT NOT NULL, resource_id TEXT NOT NULL, change TEXT NOT NULL, outcome TEXT NOT NULL,
        code TEXT NOT NULL, request_id TEXT NOT NULL, hash TEXT NOT NULL)""",
    "CREATE INDEX audit_at ON audit (at_ms)",
    "CREATE INDEX audit_actor ON audit (actor_id, seq)",
    "CREATE INDEX audit_resource ON audit (resource_id, seq)",
    """CREATE TABLE audit_chain (
        name TEXT PRIMARY KEY CHECK (name IN ('key', 'head', 'anchor')), seq BIGINT NOT NULL, hash TEXT NOT NULL,
        seal TEXT NOT NULL)""",
    """CREATE TABLE idempotency (
        id TEXT PRIMARY KEY, body_hash TEXT NOT NULL, status INTEGER NOT NULL, reply TEXT NOT NULL,
        lease_until_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL)""",
    "CREATE INDEX idempotency_expires ON idempotency (expires_ms)",
    """CREATE TABLE settings (
        key TEXT PRIMARY KEY, value TEXT NOT NULL, version INTEGER NOT NULL DEFAULT 1, updated_ms BIGINT NOT NULL)""",
    "CREATE TABLE checkpoints (name TEXT PRIMARY KEY, at_ms BIGINT NOT NULL)",
    "CREATE TABLE system_alerts (kind TEXT PRIMARY KEY, opened_ms BIGINT NOT NULL)",
)

# Retention deletes entries before the anchor, which it moves first: see `app.store.audit.chain.delete_before`.
NOT_EXPIRED = "OLD.seq > COALESCE((SELECT seq FROM audit_chain WHERE name = 'anchor'), 0)"
SQLITE_ONLY = (
    """CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
    f"""CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit WHEN {NOT_EXPIRED}
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
)
POSTGRES_ONLY = (
    f"""CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'DELETE' AND NOT ({NOT_EXPIRED}) THEN RETURN OLD; END IF;
        RAISE EXCEPTION 'the audit log is append-only'; END $$""",
    "CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    # Statistics mislead: few deliveries are open, so the planner expects none. After an outage of 4,000 monitors it
    # read every open delivery for each claim (330 ms for 50 of them) or sweep (5 s); without statistics that takes
    # 7 ms and 11 ms.
    "ALTER TABLE deliveries ALTER COLUMN state SET STATISTICS 0",
)


async def _engine_specific() -> tuple[str, ...]:
    """CockroachDB has neither these triggers nor statistics per column: there only the hash chain reveals a change."""
    if db.is_sqlite():
        return SQLITE_ONLY
    (version,) = await db.rows("SELECT version() AS name")
    return () if "Cockroach" in version["name"] else POSTGRES_ONLY


async def forwards() -> MigrationManager:
    """Create every table."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        engine_words = SQLITE if db.is_sqlite() else POSTGRES
        for statement in (*IDENTITY, *MONITORING, *HISTORY, *ALERTING, *SYSTEM):
            await db.engine().run_ddl(statement.format(**engine_words))
        for statement in await _engine_specific():
            await db.engine().run_ddl(statement)

    manager.add_raw(run)
    return manager
