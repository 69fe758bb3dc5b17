"""The database is brought up to the code, once, and never down."""

import pytest
from piccolo.apps.migrations.tables import Migration

from app import db, migrate
from app.security.secrets import sealing
from app.settings import Settings
from app.store.alerting import channels, webhooks
from app.store.alerting.delivery_results import AttemptResult
from app.store.incidents import incidents
from app.store.incidents.incidents import IncidentQuery
from app.store.transactions import monitors
from schema.channels import Webhook
from schema.incidents import AffectedMonitor, EntryKind
from schema.webhooks import WebhookDraft
from tests.app.store.channel_setup import NOW, channel_setup, claimed, settled


async def test_a_migrated_database_has_nothing_left_to_migrate(store: Settings) -> None:
    assert await migrate.apply_missing() == []


async def test_every_table_of_the_code_is_there(store: Settings) -> None:
    for table in ("users", "monitors", "series", "heartbeats", "channels", "events", "deliveries"):
        assert list(await db.rows(f"SELECT 1 FROM {table}")) == []


async def test_a_newer_database_is_refused_by_name(store: Settings) -> None:
    await Migration.insert(Migration(name="2099-01-01T00:00:00:000000", app_name="watchkeeper"))
    with pytest.raises(migrate.NewerDatabase, match=r"another version.*2099"):
        await migrate.apply_missing()
    await Migration.delete().where(Migration.name == "2099-01-01T00:00:00:000000")


async def test_migrations_are_known_in_the_order_of_their_time(store: Settings) -> None:
    assert list(migrate.known_migrations()) == sorted(migrate.known_migrations())


async def as_before(migration: str, *statements: str) -> None:
    """Make the database one of the previous version: without what this migration added."""
    for statement in statements:
        await db.rows(statement)
    await Migration.delete().where(Migration.name == migration)


async def test_history_of_the_previous_version_is_kept_from_now_on(store: Settings) -> None:
    setup = await channel_setup(2)
    ids = [await setup.down(number) for number in range(2)]
    for id_ in await claimed(ids):
        await settled(AttemptResult(id_, 1, "sent", at_ms=NOW, took_ms=9))
    (first, second) = [one.monitor_id for one in setup.known.values()]
    await monitors.delete(first)
    await as_before(
        "0002_kept_history",
        "ALTER TABLE channels DROP COLUMN deleted_ms",
        "ALTER TABLE incidents DROP COLUMN kept_monitor_name",
        "ALTER TABLE incidents DROP COLUMN kept_monitor_type",
    )
    assert await migrate.apply_missing() == ["0002_kept_history"]
    await channels.delete(setup.channel_id)
    for monitor_id, name in ((first, "web 0"), (second, "web 1")):
        ((incident,), _) = await incidents.list_page(IncidentQuery(monitor_id=monitor_id))
        assert incident.monitor == AffectedMonitor(
            id=monitor_id, name=name, type="http", is_deleted=monitor_id == first
        )
        notified = [one for one in (await incidents.get(incident.id)).timeline if one.kind is EntryKind.NOTIFIED]
        assert [(one.channel, one.channel_type) for one in notified] == [("ops", "webhook")]


async def test_processes_of_the_previous_version_leave_deleted_channels_out(store: Settings) -> None:
    setup = await channel_setup()
    hook = await webhooks.create(WebhookDraft(url="http://127.0.0.1:9/", events=["*"]))
    id_ = await setup.down()
    await channels.delete(setup.channel_id)
    await webhooks.delete(hook.id)
    # as the previous version reads them: lists, recipients, and webhooks, whose configs it decodes
    assert list(await db.rows("SELECT id FROM channels WHERE NOT is_temporary AND kind = 'channel'")) == []
    assert list(await db.rows("SELECT id FROM channels WHERE active AND NOT is_temporary")) == []
    (row,) = await db.rows("SELECT config FROM channels WHERE kind = 'webhook'")
    assert isinstance(sealing.decrypt_secrets(row["config"], Webhook), Webhook)
    joined = "SELECT d.id FROM deliveries d JOIN channels c ON c.id = d.channel_id AND NOT c.is_temporary"
    assert list(await db.rows(f"{joined} WHERE d.id = ?1", id_)) == []  # it does not know the reason's code
