"""Alerts: on which terms channels are told, who depends on whom, incidents, escalations, every try of a delivery."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from app import db

ID = "2026-11-22T00:00:20:000000"
VERSION = "1.38.0"
DESCRIPTION = "alerts"

STATEMENTS = (
    "ALTER TABLE channels ADD COLUMN kind TEXT NOT NULL DEFAULT 'channel'",
    "ALTER TABLE channels ADD COLUMN all_monitors BOOLEAN NOT NULL DEFAULT FALSE",
    "ALTER TABLE channels ADD COLUMN terms TEXT NOT NULL DEFAULT '{}'",
    "ALTER TABLE channels ADD COLUMN failures INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE channels ADD COLUMN rests_until_ms BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE channels ADD COLUMN refusals INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE channels ADD COLUMN paused_ms BIGINT",
    "ALTER TABLE channels ADD COLUMN paused_reason TEXT NOT NULL DEFAULT ''",
    """CREATE TABLE channel_tags (
        channel_id TEXT NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
        tag_id TEXT NOT NULL REFERENCES tags (id) ON DELETE CASCADE, PRIMARY KEY (channel_id, tag_id))""",
    "CREATE INDEX channel_tags_tag ON channel_tags (tag_id)",
    "ALTER TABLE events ADD COLUMN incident_id TEXT",
    "CREATE INDEX events_incident ON events (incident_id) WHERE incident_id IS NOT NULL",
    "ALTER TABLE deliveries ADD COLUMN carrier_id TEXT",
    "CREATE INDEX deliveries_carrier ON deliveries (carrier_id) WHERE carrier_id IS NOT NULL",
    "CREATE INDEX deliveries_made ON deliveries (created_ms)",
    "CREATE INDEX deliveries_suppressed ON deliveries (monitor_id) WHERE state = 'suppressed'",
    """CREATE TABLE delivery_attempts (
        delivery_id TEXT NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE, attempt INTEGER NOT NULL,
        at_ms BIGINT NOT NULL, took_ms INTEGER NOT NULL, state TEXT NOT NULL, error TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (delivery_id, attempt))""",
    """CREATE TABLE dependencies (
        monitor_id TEXT NOT NULL REFERENCES monitors (id) ON DELETE CASCADE,
        parent_id TEXT NOT NULL REFERENCES monitors (id) ON DELETE CASCADE, PRIMARY KEY (monitor_id, parent_id))""",
    "CREATE INDEX dependencies_parent ON dependencies (parent_id)",
    """CREATE TABLE escalations (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, steps TEXT NOT NULL, repeat INTEGER NOT NULL DEFAULT 0,
        version INTEGER NOT NULL DEFAULT 1, created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL)""",
    "ALTER TABLE monitors ADD COLUMN escalation_id TEXT REFERENCES escalations (id) ON DELETE SET NULL",
    """CREATE TABLE incidents (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL DEFAULT 'automatic', monitor_id TEXT, title TEXT NOT NULL,
        is_public BOOLEAN NOT NULL DEFAULT FALSE, started_ms BIGINT NOT NULL, detected_ms BIGINT NOT NULL,
        acknowledged_ms BIGINT, acknowledged_by TEXT NOT NULL DEFAULT '', resolved_ms BIGINT,
        post_mortem TEXT NOT NULL DEFAULT '', escalation_id TEXT, step INTEGER NOT NULL DEFAULT 0, escalate_ms BIGINT,
        version INTEGER NOT NULL DEFAULT 1, created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL)""",
    "CREATE UNIQUE INDEX incidents_open ON incidents (monitor_id) WHERE resolved_ms IS NULL AND kind = 'automatic'",
    "CREATE INDEX incidents_monitor ON incidents (monitor_id, started_ms)",
    "CREATE INDEX incidents_started ON incidents (started_ms)",
    "CREATE INDEX incidents_due ON incidents (escalate_ms) WHERE escalate_ms IS NOT NULL",
    """CREATE TABLE incident_entries (
        id {serial}, incident_id TEXT NOT NULL REFERENCES incidents (id) ON DELETE CASCADE, at_ms BIGINT NOT NULL,
        kind TEXT NOT NULL, text TEXT NOT NULL DEFAULT '', author TEXT NOT NULL DEFAULT '')""",
    "CREATE INDEX incident_entries_incident ON incident_entries (incident_id, id)",
    """CREATE TABLE expiries (
        monitor_id TEXT NOT NULL REFERENCES monitors (id) ON DELETE CASCADE, kind TEXT NOT NULL,
        identity TEXT NOT NULL, days INTEGER NOT NULL, at_ms BIGINT NOT NULL,
        PRIMARY KEY (monitor_id, kind, identity, days))""",
)


async def forwards() -> MigrationManager:
    """Create them."""
    manager = MigrationManager(migration_id=ID, app_name="watchkeeper", description=DESCRIPTION)

    async def run() -> None:
        serial = "INTEGER PRIMARY KEY AUTOINCREMENT" if db.is_sqlite() else "BIGSERIAL PRIMARY KEY"
        for statement in STATEMENTS:
            await db.engine().run_ddl(statement.replace("{serial}", serial))

    manager.add_raw(run)
    return manager
