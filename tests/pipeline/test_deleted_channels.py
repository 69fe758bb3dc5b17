"""A channel is deleted while its alerts are sent, through scheduler and worker as processes."""

import pytest

from app import clock, db, due_set
from app.store.alerting import channels, delivery_queries
from app.store.alerting.delivery_queries import DeliveryQuery
from app.store.incidents import incidents
from app.store.incidents.incidents import IncidentQuery
from app.store.transactions import monitors
from schema.incidents import EntryKind
from tests import make
from tests.pipeline.target import watched
from tests.pipeline.waiting import until
from tests.receiver import Order, receiving

pytestmark = [pytest.mark.timeout(120)]

MONITORS = 24
ENTRY_OF_STATE = {"sent": EntryKind.NOTIFIED, "suppressed": EntryKind.SUPPRESSED, "dead": EntryKind.UNDELIVERED}


async def _watch(url: str, channel_id: str) -> str:
    draft = make.monitor(make.http(url=url), interval=5, timeout=2.0, notification_channel_ids=[channel_id])
    changed = await monitors.create(draft)
    await due_set.mark_built()
    await due_set.put_series(changed.schedules, first_at_ms=clock.now_ms())
    return changed.monitor.id


async def _n_monitors(condition: str) -> int:
    """How many monitors have an incident of this condition."""
    found = await db.rows(f"SELECT count(DISTINCT monitor_id) AS n FROM incidents WHERE {condition}")
    return int(found[0]["n"])


async def _all_down() -> bool:
    return await _n_monitors("TRUE") == MONITORS


async def _all_up() -> bool:
    return await _n_monitors("resolved_ms IS NOT NULL") == MONITORS


async def _nothing_open() -> bool:
    return not await db.rows("SELECT 1 FROM deliveries WHERE state IN ('pending', 'sending')")


async def test_a_channel_that_is_deleted_in_an_alert_storm_stays_in_every_timeline(prepared_settings, spawn):
    async with watched() as target, receiving() as receiver:
        receiver.answer(Order(status=500, times=6))  # some are to be sent again, after the deletion
        ops = (await channels.create(make.channel(make.webhook(url=receiver.url)))).id
        target.well = False
        ids = [await _watch(f"{target.url}{number}", ops) for number in range(MONITORS)]
        spawn("schedule"), spawn("work")
        await receiver.arrived(1, 40)
        await channels.delete(ops)
        await until(_all_down)
        await until(_nothing_open)
        n_arrived = len(receiver.arrivals)
        target.well = True
        await until(_all_up)
    assert len(receiver.arrivals) == n_arrived  # the recoveries were not sent
    found = await delivery_queries.list_page(DeliveryQuery(channel_id=ops, limit=2 * MONITORS))
    assert {one.channel_name for one in found} == {"ops"}
    assert {one.id for one in found if one.state == "sent"} == set(receiver.accepted())
    for monitor_id in ids:
        kinds = await _notification_kinds(monitor_id, ops)
        states = [one.state for one in found if one.monitor_id == monitor_id]
        assert sorted(kinds) == sorted(ENTRY_OF_STATE[state] for state in states)


async def _notification_kinds(monitor_id: str, channel_id: str) -> list[EntryKind]:
    """The entries about this channel in the timelines of a monitor; on a busy machine it may have been down twice."""
    found, _ = await incidents.list_page(IncidentQuery(monitor_id=monitor_id))
    details = [await incidents.get(one.id) for one in found]
    return [entry.kind for one in details for entry in one.timeline if entry.channel_id == channel_id]
