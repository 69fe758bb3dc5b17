"""An upgrade from the version before channels had rules: open outages are not told again, what waited still goes."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from app import db, migrate
from app.security.secrets import sealing
from app.settings import Settings
from app.store.alerting import channels, delivery_claims, delivery_queue
from app.store.transactions import monitors, results
from schema.channels.rules import DEFAULT_EVENTS
from schema.events import EventKind
from schema.status import Status
from tests import make
from tests.conftest import ON_POSTGRES, _created

pytestmark = pytest.mark.database  # its own fixture makes one of the version before

BEFORE = "2026-11-22T00:00:19:000000"
MONITOR, CHANNEL, EVENT, DELIVERY = "m" * 8, "c" * 8, "e" * 8, "d" * 8
DOWN_MS = make.NOW_MS - 30 * make.MINUTE_MS


@pytest.fixture
async def old(settings: Settings) -> AsyncIterator[Settings]:
    """A database as that version left it: a monitor that is down and was told, and an alert that still waits."""
    if ON_POSTGRES:
        settings = replace(settings, db_name=f"{settings.db_name}_old")
        await _created(settings)
    sealing.prepare(settings)
    await db.start(settings)
    while await migrate._apply_next() != BEFORE:
        pass
    await _furnish()
    yield settings
    await db.stop()


ROWS = (
    (
        "INSERT INTO monitors (id, name, type, interval_s, timeout_ms, config, created_ms, updated_ms)"
        " VALUES (?1, 'Shop', 'http', 60, 16000, ?2, ?3, ?3)"
    ),
    (
        "INSERT INTO series (monitor_id, location, status, since_ms, failing_since_ms, told_ms)"
        " VALUES (?1, '', 0, ?2, ?2, ?2)"
    ),
    "INSERT INTO channels (id, name, type, config, created_ms, updated_ms) VALUES (?1, 'ops', 'webhook', ?2, ?3, ?3)",
    "INSERT INTO links (monitor_id, channel_id) VALUES (?1, ?2)",
    "INSERT INTO events (id, kind, monitor_id, at_ms, data, created_ms) VALUES (?1, 'monitor.down', ?2, ?3, '{}', ?3)",
    (
        "INSERT INTO deliveries (id, event_id, channel_id, monitor_id, at_ms, next_at_ms, created_ms)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?5)"
    ),
)


async def _furnish() -> None:
    values = (
        (MONITOR, sealing.encrypt_secrets(make.http()), DOWN_MS),
        (MONITOR, DOWN_MS),
        (CHANNEL, sealing.encrypt_secrets(make.webhook()), DOWN_MS),
        (MONITOR, CHANNEL),
        (EVENT, MONITOR, DOWN_MS),
        (DELIVERY, EVENT, CHANNEL, MONITOR, DOWN_MS),
    )
    for sql, row in zip(ROWS, values, strict=True):
        await db.rows(sql, *row)


async def absorbed(status: Status, at_ms: int) -> results.StoredResults:
    (plan,) = await monitors.list_schedules()
    (known,) = await monitors.list_snapshots([plan.series])
    outcome = make.outcome(series=plan.series, at_ms=at_ms, status=status)
    return await results.store_results(make.results(outcome), {plan.series: known}, at_ms)


async def test_an_outage_that_was_told_before_the_upgrade_is_not_told_after_it(old: Settings) -> None:
    await migrate.apply_missing()
    assert (await absorbed(Status.DOWN, make.NOW_MS)).deliveries == {}


async def test_its_end_is_told_with_its_beginning(old: Settings) -> None:
    await migrate.apply_missing()
    done = await absorbed(Status.UP, make.NOW_MS)
    (up,) = [event for event in done.events if event.event is EventKind.MONITOR_UP]
    assert up.data["duration"] == 30 * 60
    assert list(done.deliveries) == [CHANNEL]


async def test_an_alert_that_waited_through_the_upgrade_is_claimed_after_it(old: Settings) -> None:
    await migrate.apply_missing()
    assert await delivery_queue.due_deliveries(make.NOW_MS) == {CHANNEL: [DELIVERY]}
    (claimed,) = await delivery_claims.claim([DELIVERY], make.NOW_MS)
    assert (claimed.id, claimed.event.event) == (DELIVERY, EventKind.MONITOR_DOWN)


async def test_a_channel_of_before_is_told_what_it_was_told(old: Settings) -> None:
    await migrate.apply_missing()
    channel = await channels.get(CHANNEL)
    assert channel.events == list(DEFAULT_EVENTS)
    assert (channel.min_outage, channel.quiet_hours, channel.all_monitors) == (0, None, False)
