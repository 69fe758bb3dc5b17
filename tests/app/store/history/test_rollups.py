"""Hours and days are derived from heartbeats once they have settled, and deriving twice changes nothing."""

import pytest

from app import db
from app.domain.history.uptime import mean_latency_ms, uptime_share
from app.store.history import rollups
from app.store.system import checkpoints
from app.store.tables.rollups import DAILY, HOURLY, rollup_key
from schema.status import Status
from tests.app.store import history_rows
from tests.app.store.history_rows import DAY, HOUR, START

SETTLED = rollups.SETTLE_MS


async def hours_of(no, from_ms=START, to_ms=START + 2 * DAY):
    return (await rollups.load([no], HOURLY, range(from_ms, to_ms))).get(no, {})


async def days_of(no):
    return (await rollups.load([no], DAILY, range(START, START + 10 * DAY))).get(no, {})


async def stored():
    return {row["id"]: bytes(row["data"]) for row in await db.rows("SELECT id, data FROM rollups")}


@pytest.fixture
async def two_days(store):
    """Two series that were checked every minute for two days; the second one was down for an hour."""
    for no in (1, 2):
        await history_rows.series(no)
    slots = history_rows.slots(1, START, START + 2 * DAY)
    await history_rows.beats(1, slots)
    await history_rows.beats(2, history_rows.slots(2, START, START + HOUR))
    await history_rows.beats(2, history_rows.slots(2, START + HOUR, START + 2 * HOUR), Status.DOWN)
    await history_rows.beats(2, history_rows.slots(2, START + 2 * HOUR, START + 2 * DAY))


async def roll_all(until_ms):
    while await rollups.advance(until_ms):
        pass


async def test_an_hour_has_its_counts_and_durations(two_days):
    await rollups.roll_hour(START + 3 * HOUR)
    one = (await hours_of(1))[START + 3 * HOUR]
    assert (one.counts[Status.UP], one.ms[Status.UP], one.observed_ms) == (60, HOUR, HOUR)
    assert mean_latency_ms(one) == 50


async def test_an_outage_is_in_its_hour_and_in_its_day(two_days):
    await roll_all(START + DAY + HOUR)
    hours = await hours_of(2)
    assert uptime_share(hours[START + 3 * HOUR]) == 1
    assert (uptime_share(hours[START + HOUR]) or 0) < 0.02  # what was before reaches in until the first failing check
    assert uptime_share((await days_of(2))[START]) == pytest.approx(23 / 24, abs=1e-3)


async def test_rolling_again_changes_nothing(two_days):
    await roll_all(START + DAY + HOUR)
    before = await stored()
    await rollups.roll_hour(START + 5 * HOUR)
    await rollups.roll_day(START)
    assert await stored() == before


async def test_an_hour_waits_until_it_has_settled(two_days):
    assert await rollups.advance(START + HOUR + SETTLED - 1) == 0
    assert await rollups.advance(START + HOUR + SETTLED) == 1
    assert await rollups.advance(START + HOUR + SETTLED) == 0
    assert await checkpoints.get(checkpoints.ROLLED) == START + HOUR


async def test_work_goes_on_where_it_stopped_a_day_at_a_time(two_days):
    assert await rollups.advance(START + 30 * HOUR + SETTLED) == rollups.MAX_HOURS
    assert await rollups.advance(START + 30 * HOUR + SETTLED) == 6
    assert len(await hours_of(1)) == 30


async def test_late_results_are_in_the_hour_when_it_is_rolled_again(store):
    await history_rows.series(1)
    slots = history_rows.slots(1, START, START + HOUR)
    await history_rows.beats(1, slots[:-10])
    await rollups.advance(START + HOUR + SETTLED)
    await history_rows.beats(1, slots[-10:], Status.DOWN)
    await rollups.advance(START + 2 * HOUR + SETTLED)
    assert (await hours_of(1))[START].counts[Status.DOWN] == 10


async def test_a_day_is_the_sum_of_its_hours(two_days):
    await roll_all(START + DAY + SETTLED)
    day = (await days_of(2))[START]
    hours = (await hours_of(2, START, START + DAY)).values()
    assert (day.counts[Status.UP], day.counts[Status.DOWN]) == (23 * 60, 60)
    assert day.observed_ms == sum(one.observed_ms for one in hours)
    assert sum(day.sketch.values()) == sum(sum(one.sketch.values()) for one in hours)


async def test_hours_without_checks_have_no_rollup(store):
    await history_rows.series(1, (START, history_rows.MINUTE), (START + HOUR, 0))
    await history_rows.beats(1, history_rows.slots(1, START, START + HOUR))
    await roll_all(START + DAY + SETTLED)
    assert list(await hours_of(1)) == [START]


async def test_a_status_reaches_over_hours_when_the_interval_is_long(store):
    await history_rows.series(1, (START, 5 * HOUR))
    first = history_rows.slots(1, START, START + DAY, 5 * HOUR)[0]
    await history_rows.beats(1, [first], Status.DOWN)
    await roll_all(START + DAY + SETTLED)
    assert sum(one.ms[Status.DOWN] for one in (await hours_of(1)).values()) == 5 * HOUR


async def test_an_hour_whose_heartbeats_are_gone_is_left_as_it_is(two_days):
    await roll_all(START + DAY + SETTLED)
    before = await stored()
    await checkpoints.save(checkpoints.PRUNED, START + 12 * HOUR)
    await db.rows("DELETE FROM heartbeats")
    await rollups.roll_hour(START + 11 * HOUR)
    assert await stored() == before


async def test_a_monitor_costs_less_than_a_thousand_bytes_a_day(two_days):
    await roll_all(START + 2 * DAY + SETTLED)
    sizes = [len(data) for key, data in (await stored()).items() if key < rollup_key(2, HOURLY, START)]
    assert len(sizes) == 2 * 25
    assert sum(sizes) / 2 + 25 * 13 < 1_000  # 13 bytes: key, lengths and pointer of a row


async def test_a_young_time_is_summed_up_from_the_heartbeats(two_days):
    window = range(START, START + 2 * HOUR)
    tallies = await rollups.tally_window([1, 2, 3], window)
    assert [round(uptime_share(tallies[no]) or 0, 1) for no in (1, 2)] == [1, 0.5]
