"""The due set against a real Valkey: claims, flights, landings, gaps."""

import asyncio

import pytest

from app import clock, due_set, queue
from app.domain.schedule import slots
from app.due_set import StoredSlot
from app.errors import Unavailable
from schema.jobs import MonitorSchedule, ScheduleGap

pytestmark = pytest.mark.usefixtures("queue")

INTERVAL_MS = 20_000


def plan(series: int = 1, *, interval_ms: int = INTERVAL_MS, version: int = 1) -> MonitorSchedule:
    return MonitorSchedule(series, interval_ms, 5_000, version)


async def scheduled(*plans: MonitorSchedule, first_at_ms: int | None = None) -> None:
    await due_set.mark_built()
    await due_set.put_series(plans, first_at_ms=first_at_ms)


async def expire(series: int) -> None:
    await queue.client().zadd("wk:flight", {str(series): clock.now_ms() - 1})


async def test_a_due_slot_is_claimed_by_one_of_many_schedulers():
    await scheduled(*(plan(no) for no in range(1, 101)), first_at_ms=clock.now_ms())
    claims = await asyncio.gather(*(due_set.claim_due(30) for _ in range(8)))
    claimed = [slot.series for claim in claims for slot in claim.slots]
    assert sorted(claimed) == list(range(1, 101))


async def test_a_claimed_series_moves_to_the_next_slot_of_its_grid():
    now = clock.now_ms()
    await scheduled(plan(7), first_at_ms=now)
    claim = await due_set.claim_due(10)
    assert claim.next_due_ms == slots.next_slot(7, INTERVAL_MS, now)
    assert claim.slots[0].early


async def test_a_slot_of_the_grid_is_not_early():
    grid = slots.next_slot(7, INTERVAL_MS, clock.now_ms() - INTERVAL_MS)
    await scheduled(plan(7), first_at_ms=grid)
    (slot,) = (await due_set.claim_due(10)).slots
    assert (slot.at_ms, slot.early) == (grid, False)


async def test_a_check_never_overlaps_itself():
    await scheduled(plan(), first_at_ms=clock.now_ms())
    (first,) = (await due_set.claim_due(10)).slots
    await due_set.put_series([plan()], first_at_ms=clock.now_ms())
    assert (await due_set.claim_due(10)).slots == []
    await due_set.mark_stored([StoredSlot(1, first.at_ms)])
    assert [slot.series for slot in (await due_set.claim_due(10)).slots] == [1]


async def test_missed_slots_are_one_gap_and_the_newest_slot_is_checked():
    newest = slots.next_slot(1, INTERVAL_MS, clock.now_ms() - INTERVAL_MS)
    oldest = newest - 5 * INTERVAL_MS
    await scheduled(plan(), first_at_ms=oldest)
    claim = await due_set.claim_due(10)
    assert claim.gaps == [ScheduleGap(1, oldest, newest - 1, INTERVAL_MS)]
    assert [slot.at_ms for slot in claim.slots] == [newest]


async def test_a_gap_is_kept_until_it_is_stored():
    await scheduled(plan(), first_at_ms=clock.now_ms() - 10 * INTERVAL_MS)
    gaps = (await due_set.claim_due(10)).gaps
    assert await due_set.list_gaps() == gaps
    await due_set.remove_gaps(gaps)
    assert await due_set.list_gaps() == []


async def test_a_slot_past_its_deadline_is_queued_once_more_and_then_lost():
    await scheduled(plan(), first_at_ms=clock.now_ms())
    await due_set.claim_due(10)
    slots_seen = []
    for _ in range(3):
        await expire(1)
        late = await due_set.claim_overdue(10)
        slots_seen.append((len(late.requeue), len(late.lost)))
    assert slots_seen == [(1, 0), (0, 1), (0, 1)]
    assert (await due_set.claim_overdue(10)).lost == []


async def stale_at() -> dict[int, int]:
    return {int(no): int(at) for no, at in await queue.client().zrange("wk:stale_at", 0, -1, withscores=True)}


async def test_a_series_without_results_for_two_intervals_is_stale_until_a_real_one():
    await scheduled(plan(), first_at_ms=clock.now_ms())
    (slot,) = (await due_set.claim_due(10)).slots
    assert await stale_at() == {}
    for _ in range(3):
        await expire(1)
        await due_set.claim_overdue(10)
        assert await stale_at() == {1: slot.at_ms + 2 * INTERVAL_MS + 5_000 + due_set.GRACE_MS}
    await due_set.mark_stored([StoredSlot(1, slot.at_ms, is_real=False)])
    assert list(await stale_at()) == [1]
    await due_set.mark_stored([StoredSlot(1, slot.at_ms)])
    assert await stale_at() == {}


async def test_a_landed_slot_is_not_overdue():
    await scheduled(plan(), first_at_ms=clock.now_ms())
    (slot,) = (await due_set.claim_due(10)).slots
    await due_set.mark_stored([StoredSlot(1, slot.at_ms)])
    await expire(2)
    assert await due_set.claim_overdue(10) == due_set.OverdueSlots([], [])


async def test_a_deadline_is_later_by_as_much_as_jobs_wait():
    await scheduled(plan(), first_at_ms=clock.now_ms())
    await due_set.claim_due(10)
    await queue.client().zadd("wk:flight", {"1": clock.now_ms() - 5_000})
    assert await due_set.claim_overdue(10, backlog_ms=60_000) == due_set.OverdueSlots([], [])
    assert len((await due_set.claim_overdue(10, backlog_ms=4_000)).requeue) == 1


async def test_a_landing_of_another_slot_frees_nothing():
    await scheduled(plan(), first_at_ms=clock.now_ms())
    (slot,) = (await due_set.claim_due(10)).slots
    await due_set.mark_stored([StoredSlot(1, slot.at_ms - 1)])
    await expire(1)
    assert len((await due_set.claim_overdue(10)).requeue) == 1


async def test_a_retry_is_an_earlier_slot():
    await scheduled(plan(interval_ms=3_600_000), first_at_ms=clock.now_ms())
    (slot,) = (await due_set.claim_due(10)).slots
    await due_set.mark_stored([StoredSlot(1, slot.at_ms, recheck_at_ms=clock.now_ms())])
    assert [one.early for one in (await due_set.claim_due(10)).slots] == [True]


async def test_a_retry_never_delays_the_next_slot():
    await scheduled(plan(), first_at_ms=clock.now_ms())
    claim = await due_set.claim_due(10)
    await due_set.mark_stored([StoredSlot(1, claim.slots[0].at_ms, recheck_at_ms=clock.now_ms() + 10 * INTERVAL_MS)])
    assert (await due_set.claim_due(10)).next_due_ms == claim.next_due_ms


async def test_an_older_plan_never_replaces_a_newer_one():
    await scheduled(plan(version=3))
    await due_set.put_series([plan(version=2, interval_ms=60_000)])
    assert not due_set.has_changed(plan(version=3), (await due_set.list_scheduled())[1])


async def test_a_new_interval_moves_the_due_time_and_a_new_config_does_not():
    await scheduled(plan(), first_at_ms=clock.now_ms() + 3_000)
    before = await due_set.oldest_due_ms()
    await due_set.put_series([plan(version=2)])
    assert await due_set.oldest_due_ms() == before
    await due_set.put_series([plan(version=3, interval_ms=60_000)])
    assert await due_set.oldest_due_ms() == slots.next_slot(1, 60_000, clock.now_ms())


async def test_a_dropped_series_is_claimed_no_more():
    await scheduled(plan(), first_at_ms=clock.now_ms())
    await due_set.remove_series([1])
    assert (await due_set.claim_due(10)).slots == []
    assert await due_set.count_unscheduled() == 0


async def test_an_emptied_redis_is_noticed():
    await scheduled(plan(), first_at_ms=clock.now_ms())
    await queue.client().flushall()
    assert (await due_set.claim_due(10)).is_missing


async def test_a_series_that_fell_out_is_noticed():
    await scheduled(plan(1), plan(2))
    await queue.client().zrem("wk:due:1", "1")
    assert await due_set.count_unscheduled() == 1


async def test_check_now_waits_for_the_landing():
    await scheduled(plan(interval_ms=3_600_000))
    check_now = asyncio.create_task(due_set.check_now(1, 1, 5))
    while not (slots_ := (await due_set.claim_due(10)).slots):
        await asyncio.sleep(0.01)
    await due_set.mark_stored([StoredSlot(1, slots_[0].at_ms)])
    assert await check_now == slots_[0].at_ms


async def test_check_now_of_a_paused_series_goes_straight_to_the_workers():
    with pytest.raises(Unavailable):
        await due_set.check_now(1, 1, 0.05)
    assert await queue.depth("check") == 1


MINUTELY = "* * * * *"
LONG_AGO = 60 * 60_000


def cron_plan(series: int = 1, *, cron: str = MINUTELY, version: int = 1) -> MonitorSchedule:
    return MonitorSchedule(series, 0, 5_000, version, cron, "Europe/Berlin")


async def known_ahead(series: int = 1) -> list[int]:
    stored = await queue.client().hget("wk:ahead", str(series))
    return [int(word) for word in stored.split(b",")] if stored else []


async def make_due(series: int, at_ms: int) -> None:
    await queue.client().zadd(f"wk:due:{series % due_set.PARTITIONS}", {str(series): at_ms})


def newest_minute() -> int:
    return clock.now_ms() // 60_000 * 60_000


async def test_a_cron_series_is_due_on_the_minute_and_not_before():
    await scheduled(cron_plan())
    upcoming = slots.next_due(1, cron_plan(), clock.now_ms())
    claim = await due_set.claim_due(10)
    assert claim.slots == []
    assert claim.next_due_ms == upcoming


async def test_a_cron_slot_is_not_early_and_the_next_one_follows_it():
    await scheduled(cron_plan())
    await make_due(1, newest_minute())
    claim = await due_set.claim_due(10)
    (slot,) = claim.slots
    assert (slot.at_ms, slot.early) == (newest_minute(), False)
    assert claim.next_due_ms == slot.at_ms + 60_000


async def test_a_cron_series_of_which_no_result_comes_is_stale_after_two_of_its_intervals():
    await scheduled(cron_plan())
    await make_due(1, newest_minute())
    (slot,) = (await due_set.claim_due(10)).slots
    await expire(1)
    await due_set.claim_overdue(10)
    assert await stale_at() == {1: slot.at_ms + 2 * 60_000 + 5_000 + due_set.GRACE_MS}


async def test_a_check_between_cron_slots_is_early_and_moves_nothing():
    await scheduled(cron_plan(cron="0 3 * * *"), first_at_ms=clock.now_ms())
    claim = await due_set.claim_due(10)
    assert [slot.early for slot in claim.slots] == [True]
    assert claim.next_due_ms == slots.next_due(1, cron_plan(cron="0 3 * * *"), clock.now_ms())


async def test_missed_cron_slots_are_one_gap_and_the_newest_is_checked():
    await scheduled(cron_plan())
    oldest = newest_minute() - 30 * 60_000
    await make_due(1, oldest)
    claim = await due_set.claim_due(10)
    assert claim.gaps == [ScheduleGap(1, oldest, newest_minute() - 1)]
    assert [slot.at_ms for slot in claim.slots] == [newest_minute()]


async def test_a_list_that_ended_long_ago_is_made_anew_before_anything_is_claimed():
    past = clock.now_ms() - LONG_AGO
    await due_set.mark_built()
    await due_set.put_series([cron_plan()], since_ms=past)
    oldest = await due_set.oldest_due_ms()
    assert (await due_set.claim_due(10)).slots == []
    claim = await due_set.claim_due(10)
    assert claim.gaps == [ScheduleGap(1, oldest, newest_minute() - 1)]
    assert [(slot.at_ms, slot.early) for slot in claim.slots] == [(newest_minute(), False)]


async def test_a_list_that_is_lost_is_made_anew():
    await scheduled(cron_plan())
    await queue.client().delete("wk:ahead")
    await make_due(1, newest_minute())
    assert (await due_set.claim_due(10)).slots == []
    assert len((await due_set.claim_due(10)).slots) == 1


async def test_a_list_that_runs_low_is_filled_up_by_the_claim():
    await scheduled(cron_plan())
    before = await known_ahead()
    await queue.client().hset("wk:ahead", "1", ",".join(map(str, before[:3])))
    await make_due(1, newest_minute())
    assert len((await due_set.claim_due(10)).slots) == 1
    assert len(await known_ahead()) == due_set.CRON_SLOTS_AHEAD + 1


async def test_a_list_for_an_older_plan_is_not_taken():
    await scheduled(cron_plan())
    old = due_set._encode_schedule(cron_plan())
    await due_set.put_series([cron_plan(cron="0 3 * * *", version=2)])
    before = await known_ahead()
    await due_set._refill_cron_slots([(1, old)], clock.now_ms())
    assert await known_ahead() == before


async def test_another_cron_moves_the_due_time_and_an_interval_forgets_the_list():
    await scheduled(cron_plan())
    await due_set.put_series([cron_plan(cron="0 3 * * *", version=2)])
    assert await due_set.oldest_due_ms() == slots.next_due(1, cron_plan(cron="0 3 * * *"), clock.now_ms())
    await due_set.put_series([plan(version=3)])
    assert await due_set.oldest_due_ms() == slots.next_slot(1, INTERVAL_MS, clock.now_ms())
    assert await known_ahead() == []


async def test_a_cron_slot_that_comes_due_in_flight_waits_for_the_landing():
    await scheduled(cron_plan(), first_at_ms=newest_minute() - 1)
    await make_due(1, newest_minute())
    (first,) = (await due_set.claim_due(10)).slots
    await make_due(1, newest_minute())
    assert (await due_set.claim_due(10)).slots == []
    await due_set.mark_stored([StoredSlot(1, first.at_ms)])
    assert len((await due_set.claim_due(10)).slots) == 1


async def test_due_times_and_deadlines_beyond_what_may_be_are_found():
    await scheduled(plan(1), plan(2), cron_plan(3))
    await due_set.claim_due(10, at_ms=clock.now_ms() + LONG_AGO)
    plans = {1: plan(1), 2: plan(2), 3: cron_plan(3)}
    assert set(await due_set.find_misplaced(plans)) >= {1, 2}
    late = await due_set.claim_overdue(10)
    assert {slot.series for slot in late.requeue} >= {1, 2}


async def test_series_due_by_their_next_slot_are_not_misplaced():
    await scheduled(plan(1), plan(2, interval_ms=3_600_000), cron_plan(3, cron="0 3 * * *"))
    await due_set.put_series([plan(4)], first_at_ms=clock.now_ms())
    await due_set.claim_due(10)
    plans = {1: plan(1), 2: plan(2, interval_ms=3_600_000), 3: cron_plan(3, cron="0 3 * * *"), 4: plan(4)}
    assert await due_set.find_misplaced(plans) == []


async def test_a_change_of_the_schedule_makes_what_was_due_by_the_old_one_a_gap():
    oldest = slots.next_slot(1, INTERVAL_MS, clock.now_ms()) - 2 * INTERVAL_MS
    await scheduled(plan())
    await make_due(1, oldest)
    await due_set.put_series([plan(version=2, interval_ms=60_000)], since_ms=clock.now_ms())
    assert [gap.from_ms for gap in await due_set.list_gaps()] == [oldest]


async def test_a_wish_to_be_checked_at_once_passes_over_no_slot():
    oldest = slots.next_slot(1, INTERVAL_MS, clock.now_ms()) - 2 * INTERVAL_MS
    await scheduled(plan())
    await make_due(1, oldest)
    await due_set.put_series([plan(version=2)], first_at_ms=clock.now_ms())
    assert await due_set.oldest_due_ms() == oldest


async def test_a_series_that_is_dropped_in_flight_leaves_a_gap_for_its_slot():
    await scheduled(plan(), first_at_ms=clock.now_ms())
    (slot,) = (await due_set.claim_due(10)).slots
    await due_set.remove_series([1])
    assert [(gap.from_ms, gap.to_ms) for gap in await due_set.list_gaps()] == [(slot.at_ms, slot.at_ms)]
