"""Heartbeats are read newest first, whichever series they lie in, and a page ends where the next one begins."""

import itertools

import pytest
from hypothesis import given, settings as tried, strategies as st

from app.errors import Invalid
from app.security.secrets import sealing
from app.store.history import heartbeats
from app.store.history.heartbeats import HeartbeatQuery, SeriesRange
from app.store.transactions import monitors, results
from schema.jobs import CheckOutcome
from schema.status import Status
from tests import make

NOW, STEP = make.NOW_MS, make.MINUTE_MS
HOUR = 60 * STEP


@pytest.fixture
async def series(store) -> dict[str, int]:
    """Two monitors: name -> series."""
    sealing.prepare(store)
    added = [await monitors.create(make.monitor(name=name)) for name in ("one", "two")]
    return {one.monitor.name: one.schedules[0].series for one in added}


async def store_outcomes(*outcomes: CheckOutcome) -> None:
    snapshots = {one.series: one for one in await monitors.list_snapshots({one.series for one in outcomes})}
    await results.store_results(make.results(*outcomes), snapshots, NOW)


async def beats(series: dict[str, int], count: int = 5) -> None:
    """Every minute until NOW both are checked, the second one half a minute after the first; `two` is down once."""
    for number in range(count):
        at_ms = NOW - number * STEP
        await store_outcomes(make.outcome(series=series["one"], at_ms=at_ms - STEP // 2))
    for number in reversed(range(count)):
        outcome = make.down if number == 2 else make.outcome
        await store_outcomes(outcome(series=series["two"], at_ms=NOW - number * STEP))


async def times(**wanted) -> list[int]:
    found, _ = await heartbeats.list_page(HeartbeatQuery(**{"to_ms": NOW, "limit": 100, **wanted}))
    return [(NOW - round(one.time.timestamp() * 1000)) // (STEP // 2) for one in found]


async def id_of(name: str) -> str:
    return (await monitors.list_page(monitors.MonitorQuery(q=name)))[0][0].id


async def test_the_newest_of_all_monitors_come_first(series):
    await beats(series)
    assert await times() == list(range(10))
    assert await times(limit=3) == [0, 1, 2]


async def test_queries_reach_back_as_far_as_their_filters_allow(series):
    hours = [0, 1, 2, 23, 25, 900]
    for number, hour in enumerate(reversed(hours)):
        outcome = make.outcome if number % 2 else make.down
        await store_outcomes(outcome(series=series["one"], at_ms=NOW - hour * HOUR))
    assert await times() == [0, 120]
    assert await times(important=True) == [0, 120, 240, 23 * 120]
    assert await times(monitor_id=await id_of("one")) == [hour * 120 for hour in hours]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"statuses": frozenset({Status.DOWN})}, [4]),
        ({"important": True}, [2, 4]),
        ({"important": False, "limit": 3}, [0, 1, 3]),
        ({"from_ms": NOW - STEP}, [0, 1, 2]),
        ({"to_ms": NOW - 4 * STEP}, [8, 9]),
        ({"skip": 8}, [8, 9]),
        ({"skip": 100}, []),
        ({"monitor_id": "00000000-0000-0000-0000-000000000000"}, []),
    ],
)
async def test_heartbeats_are_found_by_filters(series, wanted, found):
    await beats(series)
    assert await times(**wanted) == found


@pytest.mark.parametrize("limit", [1, 3, 10])
async def test_cursors_lead_through_everything_once(series, limit):
    await beats(series)
    ids, cursor = [], None
    for _ in range(11):
        page, cursor = await heartbeats.list_page(HeartbeatQuery(to_ms=NOW, limit=limit, cursor=cursor))
        ids += [one.id for one in page]
        if cursor is None:
            break
    assert cursor is None
    assert len(ids) == len(set(ids)) == 10


async def test_heartbeats_of_one_instant_are_all_read(series):
    await store_outcomes(make.outcome(series=series["one"]), make.outcome(series=series["two"]))
    first, cursor = await heartbeats.list_page(HeartbeatQuery(to_ms=NOW, limit=1))
    second, end = await heartbeats.list_page(HeartbeatQuery(to_ms=NOW, limit=1, cursor=cursor))
    assert {first[0].monitor_id, second[0].monitor_id} == {await id_of("one"), await id_of("two")}
    assert end is None


async def test_a_total_counts_what_matches_on_every_page(series):
    await beats(series)
    assert await heartbeats.count(HeartbeatQuery(to_ms=NOW, limit=1, skip=3)) == 10
    assert await heartbeats.count(HeartbeatQuery(to_ms=NOW, statuses=frozenset({Status.DOWN}))) == 1
    assert await heartbeats.count(HeartbeatQuery(to_ms=NOW, important=True, monitor_id=await id_of("one"))) == 0


async def test_a_heartbeat_has_its_message_and_facts(series):
    failed = make.down(series=series["one"], message="refused", detail={"port": 9}, took_us=1_500)
    await store_outcomes(failed)
    (one,), _ = await heartbeats.list_page(HeartbeatQuery(to_ms=NOW))
    assert (one.status, one.raw_status, one.msg, one.detail) == (Status.DOWN, Status.DOWN, "refused", {"port": 9})
    assert (one.ping, one.important) == (1.5, True)
    assert one == await heartbeats.get(series["one"], NOW)


async def test_an_everyday_heartbeat_reads_as_its_code(series):
    await store_outcomes(make.outcome(series=series["one"]))
    (one,), _ = await heartbeats.list_page(HeartbeatQuery(to_ms=NOW))
    assert (one.msg, one.detail) == ("200 OK", None)


async def test_heartbeats_of_a_removed_monitor_are_gone_at_once(series):
    await beats(series)
    await monitors.delete(await id_of("one"))
    assert await times() == [0, 2, 4, 6, 8]
    assert await heartbeats.get(series["one"], NOW - STEP // 2) is None


@pytest.mark.parametrize(("wanted", "field"), [({"cursor": "zebra"}, "cursor"), ({"from_ms": NOW - 2 * HOUR}, "from")])
async def test_a_question_that_can_not_be_answered_is_refused(series, wanted, field):
    with pytest.raises(Invalid) as raised:
        await heartbeats.list_page(HeartbeatQuery(to_ms=NOW, **wanted))
    assert [one.field for one in raised.value.fields] == [field]


@tried(max_examples=50)
@given(first=st.integers(0, 10**9), length=st.integers(0, 10**9), width=st.integers(1, 10**7))
def test_bands_are_neighbours_and_cover_the_span(first, length, width):
    bands = list(heartbeats._bands(SeriesRange({1: "m"}, first, first + length), width))
    assert (bands[0][1], bands[-1][0]) == (first + length, first)
    assert all(newer[0] == older[1] + 1 for newer, older in itertools.pairwise(bands))
    assert all(start <= end for start, end in bands)
