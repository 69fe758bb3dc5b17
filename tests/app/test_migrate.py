"""The database is brought up to the code, once, and never down."""

import pytest
from piccolo.apps.migrations.tables import Migration

from app import db, migrate
from app.settings import Settings


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
