"""Transactions that change the same rows at once wait for each other, and none of them in a circle."""

import asyncio
from functools import partial
from typing import Any

import pytest

from app import db
from app.domain.alerting.circuit_breaker import AttemptOutcome
from app.security.secrets import sealing
from app.store.alerting import channel_alarms, channels, delivery_claims, delivery_results
from app.store.alerting.delivery_claims import LEASE_MS
from app.store.alerting.delivery_results import AttemptResult
from app.store.monitoring import monitor_links, series
from app.store.sql import list_parameter
from app.store.transactions import future_instants, monitors, results
from schema.channels import ChannelPatch
from schema.deliveries import ReasonCode
from schema.events import EventKind
from schema.jobs import ExpiringItem
from schema.status import Status
from tests import make
from tests.app.store import channel_setup
from tests.app.store.crossing import crossed
from tests.app.store.outages import NOW, STEP, channel, fails, monitor, passes

DAY_MS = 86_400_000
OTHERS = 400  # children of one parent only


@pytest.fixture(autouse=True)
def sealed(store):
    sealing.prepare(store)


async def deliveries(state: str) -> list[str]:
    """Ids of the deliveries in this state, the newest first."""
    found = await db.rows("SELECT id FROM deliveries WHERE state = ?1 ORDER BY at_ms DESC, id", state)
    return [row["id"] for row in found]


async def bystanders() -> None:
    """Monitors without a series, for `family`."""
    await db.rows(
        "INSERT INTO monitors (id, name, type, interval_s, timeout_ms, config, created_ms, updated_ms, version)"
        " SELECT 'other ' || (each.value->>0), m.name, m.type, m.interval_s, m.timeout_ms, m.config, m.created_ms,"
        " m.updated_ms, m.version FROM {each:1} CROSS JOIN monitors m WHERE m.id = ?2",
        numbers(OTHERS),
        await monitor("pattern"),
    )


async def family() -> tuple[str, str]:
    """Two parents of the same children, whose alerts are suppressed. The first one has many more children.

    PostgreSQL goes through the descendants of each in the order of a hash table, which depends on their number.
    """
    router, switch = await monitor("Router"), await monitor("Switch")
    children = [await monitor(f"web {n}", router, switch) for n in range(8)]
    await db.rows(
        "INSERT INTO dependencies (monitor_id, parent_id) SELECT id, CAST(?1 AS TEXT) FROM monitors"
        " WHERE id LIKE 'other %'",
        router,
    )
    for one in (router, switch):
        await fails(one)
    for one in children:
        await fails(one, NOW + 1)
    suppress = "UPDATE deliveries SET state = 'suppressed', reason_code = ?1 WHERE at_ms = ?2 AND state = 'pending'"
    await db.rows(suppress, ReasonCode.PARENT_DOWN.value, NOW + 1)
    await analyzed()
    return router, switch


def numbers(count: int) -> str:
    """So many numbers, as `{each:1}` expands them."""
    return list_parameter(map(str, range(count)))


async def analyzed() -> None:
    """Have plans as of an installation that has run for a while."""
    if not db.is_sqlite():
        await db.rows("ANALYZE")


async def test_two_parents_that_recover_at_once_release_the_same_children():
    await channel()
    await bystanders()
    for _ in range(5):  # the ids decide about the order: in about every second family it differs
        router, switch = await family()
        suppressed = set(await deliveries("suppressed"))
        leased, *_ = await delivery_claims.claim(await deliveries("pending"), NOW)
        await fails(await monitor("other"))
        (due,) = await deliveries("pending")
        await crossed(
            "deliveries",
            partial(passes, router, NOW + STEP),
            partial(passes, switch, NOW + STEP),
            partial(delivery_claims.claim, [due], NOW + 1),
            partial(delivery_results.record_results, [AttemptResult(leased.id, 1, "sent")], NOW + 1),
        )
        released = await db.rows("SELECT id FROM deliveries WHERE hold = 'held' AND released_ms = ?1", NOW + STEP)
        assert suppressed
        assert {row["id"] for row in released} == suppressed
        await db.rows("UPDATE deliveries SET state = 'sent', hold = ''")


def expires(no: int) -> Any:
    """A failing check that saw a certificate with seven days left."""
    item = ExpiringItem("certificate", "A1", "shop.example", "CA", NOW + 7 * DAY_MS)
    return make.outcome(series=no, at_ms=NOW, status=Status.DOWN, expiring=item)


@pytest.mark.parametrize(
    "change", [lambda id_: monitors.set_active(id_, False), monitors.delete, monitors.reset_history]
)
async def test_a_monitor_changes_while_a_notice_about_it_is_stored(change):
    await channel()
    id_ = await monitor()
    (no,) = await series.list_numbers(id_)
    snapshots = {one.series: one for one in await series.list_snapshots([no])}
    stored, _ = await crossed(
        "series", lambda: results.store_results(make.results(expires(no)), snapshots, NOW), lambda: change(id_)
    )
    is_announced = EventKind.CERTIFICATE_EXPIRING in {one.event for one in stored.events}
    assert is_announced or change is monitors.delete  # SQLite may delete it first


async def announce(id_: str) -> None:
    """Alert others that it fails."""
    async with db.transaction():
        stored = await channels._get_row(id_)
        await channel_alarms.announce_failing(stored, "It fails.", NOW)


async def test_two_failing_channels_are_switched_off_at_once():
    ids = [await channel(name=name, events=["*"]) for name in ("one", "two")]
    for id_ in ids:
        await announce(id_)
    off = ChannelPatch(active=False)
    await crossed("channels", lambda: channels.update(ids[0], off), lambda: channels.update(ids[1], off))
    found = await db.rows("SELECT id FROM events WHERE kind = 'system.recovered'")
    assert len(found) == 2


async def test_claims_are_given_back_while_another_worker_claims_what_expired():
    setup = await channel_setup.channel_setup(4)
    ids = [await setup.down(number, at_ms=NOW - STEP + number) for number in range(4)]
    claims = await delivery_claims.claim(ids, NOW)
    _, again = await crossed(
        "deliveries",
        lambda: delivery_claims.give_back(claims[::-1]),
        lambda: delivery_claims.claim(ids, NOW + LEASE_MS),
    )
    assert [one.id for one in again] == ids


async def test_instants_in_the_future_are_repaired_while_a_channel_is_disabled():
    setup = await channel_setup.channel_setup(2)
    ahead_ms = NOW + DAY_MS
    leased, waiting = [await setup.down(number, at_ms=NOW, now_ms=ahead_ms) for number in range(2)]
    await delivery_claims.claim([leased], ahead_ms)
    gone = AttemptResult(leased, 1, "dead", "gone", outcome=AttemptOutcome.CHANNEL_GONE)
    await crossed(
        "deliveries",
        lambda: delivery_results.record_results([gone], NOW),
        lambda: future_instants.repair(NOW),
    )
    assert await deliveries("dead") == sorted([leased, waiting])


async def test_a_monitor_keeps_no_link_to_a_channel_that_is_deleted_at_once():
    for _ in range(10):
        id_ = (await channels.create(make.channel())).id
        one = (await monitors.create(make.monitor(notification_channel_ids=[id_]))).monitor.id

        async def relinked(monitor_id: str = one, channel_id: str = id_) -> None:
            async with db.transaction():
                await monitor_links.set_channels(monitor_id, [channel_id])

        await asyncio.gather(relinked(), channels.delete(id_), return_exceptions=True)
        assert await monitor_links.channel_ids_by_monitor([one]) == {}
