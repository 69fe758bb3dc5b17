"""What ingest asks of the schedule once heartbeats are stored."""

import pytest

from actors.ingest import BLIND_MS, Clerk
from actors.snapshots import Snapshots
from app import due
from app.security import sealing
from app.store import monitors
from schema.jobs import Outcome
from schema.messages import PUSHED, STARTED
from schema.status import Status
from schema.targets import Push
from tests import make

DAY_S = 86_400


@pytest.fixture
async def nightly(store, queue) -> int:
    """A push monitor that reports once a day; its series."""
    sealing.prepare(store)
    plan = (await monitors.add(make.monitor(Push(grace=3_600), interval=DAY_S))).plans[0]
    await due.built()
    await due.put([plan])
    return plan.series


async def ingested(*outcomes: Outcome) -> int:
    """Ingest, and when the series is due then."""
    await Clerk(Snapshots()).ingest(make.results(*outcomes))
    return await due.oldest_due_ms()


async def test_a_report_brings_a_look_before_the_next_slot(nightly):
    look = due.now_ms() + 30_000
    report = make.outcome(series=nightly, at_ms=due.now_ms(), code=PUSHED, early=True, look_ms=look)
    assert await ingested(report) == look
    assert await ingested(report) == look


async def test_a_report_that_comes_twice_brings_its_look_all_the_same(nightly):
    look = due.now_ms() + 30_000
    report = make.outcome(series=nightly, at_ms=due.now_ms(), code=PUSHED, early=True, look_ms=look)
    await ingested(report)
    await due.put([(await monitors.plans())[0]], first_at_ms=look + 60_000)
    assert await ingested(report) == look


async def test_a_push_monitor_nobody_could_look_at_is_looked_at_again_soon(nightly):
    unknown = make.outcome(series=nightly, at_ms=due.now_ms(), seen=Status.UNKNOWN, code=0)
    assert await ingested(unknown) <= due.now_ms() + BLIND_MS


async def test_a_start_while_late_brings_no_retry(nightly):
    late = make.outcome(series=nightly, at_ms=due.now_ms(), seen=Status.PENDING, code=0, early=True)
    await ingested(late)
    await due.put(await monitors.plans(), first_at_ms=due.now_ms() + 3_000_000)
    start = make.outcome(series=nightly, at_ms=due.now_ms() + 5, seen=Status.UNKNOWN, code=STARTED, early=True)
    assert await ingested(start) > due.now_ms() + 2_000_000


async def test_what_a_failing_monitor_hangs_on_is_checked_at_once(store, queue):
    sealing.prepare(store)
    router = await monitors.add(make.monitor(name="Router", interval=DAY_S))
    child = await monitors.add(make.monitor(interval=DAY_S, parent_ids=[router.monitor.id]))
    later = due.now_ms() + 3_000_000
    await due.built()
    await due.put([*router.plans, *child.plans], first_at_ms=later)
    now = due.now_ms()
    assert await ingested(make.outcome(series=child.plans[0].series, at_ms=now)) == later
    assert await ingested(make.down(series=child.plans[0].series, at_ms=now + 1)) < later
    assert [series for series, _ in await due.late(-60_000)] == [router.plans[0].series]
