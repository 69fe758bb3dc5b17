"""How ingest changes the schedule once heartbeats are stored."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import time_machine

from actors.ingest import RECHECK_UNKNOWN_MS, ResultWriter
from actors.snapshots import Snapshots
from app import clock, db, due_set, queue
from app.security.secrets import sealing
from app.store.transactions import monitors, results
from schema.heartbeat_texts import NOT_CHECKED, PUSHED, STARTED
from schema.heartbeats import EPOCH_MS, heartbeat_key, slot_of_key
from schema.jobs import CheckOutcome
from schema.status import Status
from schema.targets import Push
from tests import make

DAY_S = 86_400


@pytest.fixture
def midnight() -> Iterator[None]:
    """It is midnight: the daily slots of the first two series are more than five hours away."""
    with time_machine.travel(datetime(2026, 11, 22, tzinfo=UTC)):
        yield


@pytest.fixture
async def nightly(midnight, store, queue) -> int:
    """A push monitor that reports once a day; its series."""
    sealing.prepare(store)
    plan = (await monitors.create(make.monitor(Push(grace=3_600), interval=DAY_S))).schedules[0]
    await due_set.mark_built()
    await due_set.put_series([plan])
    return plan.series


async def ingested(*outcomes: CheckOutcome) -> int:
    """Ingest, and when the series is due then."""
    await ResultWriter(Snapshots()).ingest(make.results(*outcomes))
    return await due_set.oldest_due_ms()


async def test_a_report_schedules_a_check_before_the_next_slot(nightly):
    look = clock.now_ms() + 30_000
    report = make.outcome(series=nightly, at_ms=clock.now_ms(), code=PUSHED, early=True, recheck_ms=look)
    assert await ingested(report) == look
    assert await ingested(report) == look


async def test_a_repeated_report_schedules_its_check_again(nightly):
    look = clock.now_ms() + 30_000
    report = make.outcome(series=nightly, at_ms=clock.now_ms(), code=PUSHED, early=True, recheck_ms=look)
    await ingested(report)
    await due_set.put_series([(await monitors.list_schedules())[0]], first_at_ms=look + 60_000)
    assert await ingested(report) == look


async def test_an_unknown_push_monitor_is_rechecked_soon(nightly):
    unknown = make.outcome(series=nightly, at_ms=clock.now_ms(), status=Status.UNKNOWN, code=0)
    assert await ingested(unknown) <= clock.now_ms() + RECHECK_UNKNOWN_MS


async def test_a_start_while_late_schedules_no_retry(nightly):
    late = make.outcome(series=nightly, at_ms=clock.now_ms(), status=Status.PENDING, code=0, early=True)
    await ingested(late)
    await due_set.put_series(await monitors.list_schedules(), first_at_ms=clock.now_ms() + 3_000_000)
    start = make.outcome(series=nightly, at_ms=clock.now_ms() + 5, status=Status.UNKNOWN, code=STARTED, early=True)
    assert await ingested(start) > clock.now_ms() + 2_000_000


async def test_parents_of_a_failing_monitor_are_checked_at_once(midnight, store, queue):
    sealing.prepare(store)
    router = await monitors.create(make.monitor(name="Router", interval=DAY_S))
    child = await monitors.create(make.monitor(interval=DAY_S, parent_ids=[router.monitor.id]))
    later = clock.now_ms() + 3_000_000
    await due_set.mark_built()
    await due_set.put_series([*router.schedules, *child.schedules], first_at_ms=later)
    now = clock.now_ms()
    assert await ingested(make.outcome(series=child.schedules[0].series, at_ms=now)) == later
    assert await ingested(make.down(series=child.schedules[0].series, at_ms=now + 1)) < later
    assert [series for series, _ in await due_set.list_late(-60_000)] == [router.schedules[0].series]


@pytest.fixture
async def many(store, queue) -> list[int]:
    """Five monitors, as series."""
    sealing.prepare(store)
    await due_set.mark_built()
    return [(await monitors.create(make.monitor(name=f"web {number}"))).schedules[0].series for number in range(5)]


async def test_waiting_batches_are_stored_in_one_transaction(many, monkeypatch):
    transactions = []
    store_results = results.store_results

    async def counted(batch, snapshots, now_ms):
        transactions.append(len(batch.outcomes))
        return await store_results(batch, snapshots, now_ms)

    monkeypatch.setattr(results, "store_results", counted)
    writer = ResultWriter(Snapshots())
    await asyncio.gather(*(writer.ingest(make.results(make.outcome(series=one))) for one in many))
    assert transactions == [1, 4]
    assert (await db.rows("SELECT count(*) AS n FROM heartbeats"))[0]["n"] == 5


async def test_a_failed_batch_reports_an_error_for_each_result(many, monkeypatch):
    async def locked(*_):
        await asyncio.sleep(0)
        raise OSError("database is locked")

    monkeypatch.setattr(results, "store_results", locked)
    writer = ResultWriter(Snapshots())
    outcomes = await asyncio.gather(
        *(writer.ingest(make.results(make.outcome(series=one))) for one in many), return_exceptions=True
    )
    assert [type(one) for one in outcomes] == [OSError] * 5
    monkeypatch.undo()
    await asyncio.gather(*(writer.ingest(make.results(make.outcome(series=one))) for one in many))
    assert (await db.rows("SELECT count(*) AS n FROM heartbeats"))[0]["n"] == 5


async def test_a_cancelled_ingest_does_not_cancel_others(many):
    writer = ResultWriter(Snapshots())
    ingesting = [asyncio.create_task(writer.ingest(make.results(make.outcome(series=one)))) for one in many]
    await asyncio.sleep(0)
    ingesting[2].cancel()
    outcomes = await asyncio.gather(*ingesting, return_exceptions=True)
    assert [type(one) for one in outcomes if one] == [asyncio.CancelledError]
    assert (await db.rows("SELECT count(*) AS n FROM heartbeats"))[0]["n"] >= 4


async def test_the_same_late_slot_twice_in_one_transaction_is_one_heartbeat(many):
    series, at_ms = many[0], clock.now_ms()
    await ResultWriter(Snapshots()).ingest(make.results(make.outcome(series=series, at_ms=at_ms)))
    late = make.outcome(series=series, at_ms=at_ms - 60_000)
    given_up = make.outcome(series=series, at_ms=at_ms - 60_000, status=Status.UNKNOWN, code=NOT_CHECKED)
    await ResultWriter(Snapshots()).ingest(make.results(given_up, late, late))
    found = await db.rows("SELECT code FROM heartbeats ORDER BY id")
    assert [row["code"] for row in found] == [200, 200]


POISONS = {
    "a lone surrogate in its words": {"message": "caf\udce9"},
    "a surrogate among its facts": {"detail": {"X-Served-By": "caf\udce9"}},
    "a number that no column holds": {"code": 10**9, "at_ms": 1_700_000_000_000},
    "a NUL in its words": {"message": "ERR a\x00b"},
}


@pytest.mark.parametrize("poison", POISONS.values(), ids=POISONS.keys())
async def test_an_unstorable_result_does_not_block_other_results(many, poison):
    bad = make.down(series=many[2], **{"at_ms": clock.now_ms(), "early": True, **poison})
    good = [make.outcome(series=one, at_ms=clock.now_ms()) for one in many if one != many[2]]
    writer = ResultWriter(Snapshots())
    await asyncio.gather(*(writer.ingest(make.results(*some)) for some in (good[:2], [bad], good[2:])))
    found = await db.rows("SELECT id, status FROM heartbeats")
    stored = {slot_of_key(row["id"])[0]: Status(row["status"]) for row in found}
    assert [stored.get(one) for one in many if one != many[2]] == [Status.UP] * 4
    assert stored.get(many[2]) in {None, Status.UNKNOWN, Status.DOWN}  # SQLite can store what PostgreSQL can't
    if stored.get(many[2]) is Status.UNKNOWN:
        (row,) = await db.rows("SELECT message FROM heartbeat_details WHERE id >= ?1 AND id < ?2", *range_of(many[2]))
        assert row["message"].startswith("the result could not be stored (")


async def test_an_unstorable_gap_does_not_block_results(many):
    gaps = [make.gap(series=many[0], reason="\ud800"), make.gap(series=many[1])]
    await ResultWriter(Snapshots()).ingest(make.results(make.outcome(series=many[2]), gaps=gaps))
    assert (await db.rows("SELECT count(*) AS n FROM heartbeats"))[0]["n"] >= 1
    assert [row["series"] for row in await db.rows("SELECT DISTINCT series FROM gaps")] == [many[1]]


def range_of(series: int) -> tuple[int, int]:
    """The keys that its heartbeats have."""
    return heartbeat_key(series, EPOCH_MS), heartbeat_key(series + 1, EPOCH_MS)


async def test_a_real_result_ends_staleness_and_an_invented_one_does_not(many):
    await due_set.put_series(await monitors.list_schedules(), first_at_ms=clock.now_ms() - 1)
    claimed = (await due_set.claim_due(100)).slots
    await queue.client().zadd("wk:stale_at", {str(slot.series): 1 for slot in claimed})
    for slot, code in zip(claimed, (200, NOT_CHECKED), strict=False):
        seen = Status.UNKNOWN if code == NOT_CHECKED else Status.UP
        await ResultWriter(Snapshots()).ingest(
            make.results(make.outcome(series=slot.series, at_ms=slot.at_ms, code=code, status=seen))
        )
    assert claimed[0].series not in await due_set.list_stale()
    assert claimed[1].series in await due_set.list_stale()
