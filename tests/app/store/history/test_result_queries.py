"""Heartbeats counted over a long time: from rollups where there are any, and never twice."""

import pytest

from app.security.secrets import sealing
from app.store.history import result_queries, rollups
from app.store.system import checkpoints
from app.store.transactions import monitors, results
from schema.status import Status
from tests import make

HOUR, DAY = 3_600_000, 86_400_000
NOW = make.NOW_MS // DAY * DAY + 5 * HOUR + 1_234_567


@pytest.fixture
async def series(store) -> int:
    """A monitor that was checked every ten minutes of the last three days; down in every tenth check."""
    sealing.prepare(store)
    number = (await monitors.create(make.monitor(interval=600))).schedules[0].series
    snapshots = {one.series: one for one in await monitors.list_snapshots([number])}
    times = range(NOW - 3 * DAY, NOW, 10 * make.MINUTE_MS)
    outcome = [(make.outcome if no % 10 else make.down)(series=number, at_ms=at) for no, at in enumerate(times)]
    await results.store_results(make.results(*outcome), snapshots, NOW)
    return number


@pytest.mark.parametrize("span", [range(NOW - DAY, NOW), range(NOW - 3 * DAY, NOW), range(NOW - HOUR, NOW), range(5)])
async def test_rolled_hours_and_days_change_no_count(series, span):
    before = await result_queries.count_by_status(span)
    assert sum(before.values()) == len(range(max(NOW - 3 * DAY, span.start), span.stop, 600_000))
    for hour in range((NOW - 3 * DAY) // HOUR * HOUR, NOW // HOUR * HOUR, HOUR):
        await rollups.roll_hour(hour)
    for begin in range((NOW - 3 * DAY) // DAY * DAY, NOW // DAY * DAY, DAY):
        await rollups.roll_day(begin)
    await checkpoints.save(checkpoints.ROLLED, NOW // HOUR * HOUR)
    assert await result_queries.count_by_status(span) == before


async def test_the_newest_heartbeat_is_found_without_the_others(series):
    (monitor,), _ = await monitors.list_page(monitors.MonitorQuery())
    other = await monitors.create(make.monitor(name="never checked"))
    newest = await result_queries.last_runs([monitor.id, other.monitor.id])
    assert {id_: round(at.timestamp() * 1000) for id_, at in newest.items()} == {monitor.id: NOW - 600_000}


async def test_a_status_that_did_not_occur_counts_none(series):
    assert (await result_queries.count_by_status(range(NOW - DAY, NOW)))[Status.DEGRADED] == 0
