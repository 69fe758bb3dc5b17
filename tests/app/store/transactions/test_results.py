"""Results are stored once, in one transaction, and lead to events and deliveries."""

import asyncio

import msgspec
import pytest

from app import db
from app.security.secrets import sealing
from app.store.alerting import channels, delivery_claims
from app.store.alerting.delivery_claims import LEASE_MS
from app.store.history import heartbeats
from app.store.monitoring import series
from app.store.transactions import monitors, results
from app.store.transactions.results import StoredResults
from schema.events import EventKind
from schema.heartbeat_texts import LOGGED, NO_ANSWER, NOT_CHECKED, PUSHED, STARTED
from schema.jobs import CheckOutcome
from schema.monitors import Snapshot
from schema.status import Status
from tests import make

NOW = make.NOW_MS
STEP = make.MINUTE_MS


@pytest.fixture
async def known(store) -> dict[int, Snapshot]:
    """Two monitors, each linked to one channel."""
    sealing.prepare(store)
    channel = await channels.create(make.channel())
    numbers = []
    for name in ("one", "two"):
        changed = await monitors.create(make.monitor(name=name, notification_channel_ids=[channel.id]))
        numbers += [plan.series for plan in changed.schedules]
    return {one.series: one for one in await series.list_snapshots(numbers)}


async def store_outcomes(known: dict[int, Snapshot], *outcomes: CheckOutcome, **batch) -> StoredResults:
    return await results.store_results(make.results(*outcomes, **batch), known, NOW)


async def count(table: str) -> int:
    return (await db.rows(f"SELECT count(*) AS n FROM {table}"))[0]["n"]


async def test_an_outage_is_alerted_once_and_its_end_once(known):
    no = min(known)
    kinds = [
        [event.event for event in (await store_outcomes(known, outcome)).events]
        for outcome in (
            make.down(series=no, at_ms=NOW),
            make.down(series=no, at_ms=NOW + STEP),
            make.outcome(series=no, at_ms=NOW + 2 * STEP),
            make.outcome(series=no, at_ms=NOW + 3 * STEP),
        )
    ]
    began = [EventKind.MONITOR_DOWN, EventKind.INCIDENT_OPENED]
    assert kinds == [began, [], [EventKind.MONITOR_UP, EventKind.INCIDENT_RESOLVED], []]
    assert await count("deliveries") == 2


async def test_redelivery_changes_nothing(known):
    batch = [make.down(series=no, at_ms=NOW) for no in known]
    first, second = await store_outcomes(known, *batch), await store_outcomes(known, *batch)
    assert (len(first.heartbeats), len(first.events)) == (2, 4)
    assert second == StoredResults([], [], {})
    assert (await count("heartbeats"), await count("events") - 2, await count("deliveries")) == (2, 4, 2)


async def test_the_recovery_knows_the_length_of_the_outage(known):
    no = min(known)
    await store_outcomes(known, make.down(series=no, at_ms=NOW))
    event, _ = (await store_outcomes(known, make.outcome(series=no, at_ms=NOW + 5 * STEP))).events
    assert event.data["duration"] == 5 * STEP / 1000


async def test_a_late_outcome_is_kept_and_changes_no_state(known):
    no = min(known)
    await store_outcomes(known, make.outcome(series=no, at_ms=NOW + STEP))
    late = await results.store_results(make.results(make.down(series=no, at_ms=NOW)), known, NOW + STEP)
    assert [one.status for one in late.heartbeats] == [Status.DOWN]
    assert late.events == []
    assert (await store_outcomes(known, make.outcome(series=no, at_ms=NOW + 2 * STEP))).events == []


async def test_a_late_result_replaces_the_skipped_slot(known):
    no = min(known)
    given_up = make.outcome(series=no, at_ms=NOW, status=Status.UNKNOWN, code=NOT_CHECKED)
    result = make.outcome(series=no, at_ms=NOW, took_us=7_000, code=200)
    for _ in range(2):
        for one in (given_up, result):
            await store_outcomes(known, one)
    (row,) = await db.rows("SELECT status, took_us, code FROM heartbeats")
    assert tuple(row.values()) == (Status.UP, 7_000, 200)


async def test_outcomes_of_one_batch_are_judged_in_the_order_of_their_slots(known):
    no = min(known)
    stored = await store_outcomes(known, make.outcome(series=no, at_ms=NOW + STEP), make.down(series=no, at_ms=NOW))
    kinds = [event.event for event in stored.events if event.event.startswith("monitor.")]
    assert kinds == [EventKind.MONITOR_DOWN, EventKind.MONITOR_UP]


async def test_an_everyday_heartbeat_has_no_details_and_an_outage_has(known):
    no = min(known)
    await store_outcomes(known, make.outcome(series=no, at_ms=NOW, message="fine", code=0))
    assert await count("heartbeat_details") == 0
    await store_outcomes(known, make.down(series=no, at_ms=NOW + STEP, detail={"status_code": 503}))
    (row,) = await db.rows("SELECT message, detail FROM heartbeat_details")
    assert (row["message"], row["detail"]) == ("connection refused", '{"status_code":503}')


async def test_unknown_is_never_down(known):
    no = min(known)
    stored = await store_outcomes(known, make.outcome(series=no, at_ms=NOW, status=Status.UNKNOWN))
    assert [one.status for one in stored.heartbeats] == [Status.UNKNOWN]
    assert stored.deliveries == {}


async def test_a_paused_channel_gets_no_delivery(known):
    await db.rows("UPDATE channels SET active = false")
    stored = await store_outcomes(known, make.down(series=min(known), at_ms=NOW))
    assert len(stored.events) == 2
    assert stored.deliveries == {}


async def test_an_outcome_of_a_deleted_monitor_is_dropped(known):
    stored = await store_outcomes(known, make.down(series=999, at_ms=NOW))
    assert stored.heartbeats == []


async def test_gaps_are_kept_once(known):
    no = min(known)
    for _ in range(2):
        await store_outcomes(known, gaps=[make.gap(series=no, from_ms=NOW)])
    assert await count("gaps") == 1


async def test_the_same_batch_from_two_workers_at_once_has_the_effect_of_one(known):
    batch = [make.down(series=no, at_ms=NOW) for no in known]
    done = await asyncio.gather(*(store_outcomes(known, *batch) for _ in range(4)))
    assert sum(len(one.events) for one in done) == 4
    assert await count("deliveries") == 2


async def test_a_claimed_delivery_cannot_be_claimed_again(known):
    stored = await store_outcomes(known, make.down(series=min(known), at_ms=NOW))
    ((_, ids),) = stored.deliveries.items()
    assert len(await delivery_claims.claim(ids, NOW)) == 1
    assert await delivery_claims.claim(ids, NOW) == []
    assert len(await delivery_claims.claim(ids, NOW + LEASE_MS)) == 1


@pytest.mark.parametrize("code", [STARTED, LOGGED])
async def test_a_note_repeats_the_status_and_moves_nothing(known, code):
    no = min(known)
    await store_outcomes(known, make.down(series=no, at_ms=NOW))
    (before,) = await db.rows("SELECT * FROM series WHERE no = ?1", no)
    note = make.outcome(series=no, at_ms=NOW + 5, status=Status.UNKNOWN, code=code, early=True)
    stored = await store_outcomes(known, note)
    assert [one.status for one in stored.heartbeats] == [Status.DOWN]
    assert (stored.events, stored.deliveries) == ([], {})
    assert await db.rows("SELECT * FROM series WHERE no = ?1", no) == [before]


async def test_the_newest_push_is_found_by_its_kind(known):
    no = min(known)
    pushed = make.outcome(series=no, at_ms=NOW + 1, code=PUSHED, early=True)
    started = make.outcome(series=no, at_ms=NOW + 2, status=Status.UNKNOWN, code=STARTED, early=True)
    await store_outcomes(known, pushed, started, make.outcome(series=no, at_ms=NOW + 3))
    assert await results.newest_push_ms(no, NOW) == NOW + 1
    assert await results.newest_push_ms(no, 0, STARTED) == NOW + 2
    assert await results.newest_push_ms(no, NOW + 2) == 0


@pytest.mark.parametrize(
    ("outcome", "status", "message"),
    [
        (make.outcome(), Status.DOWN, "answered, and should not: 200 OK"),
        (make.outcome(status=Status.DEGRADED, message="slow"), Status.DOWN, "answered, and should not: slow"),
        (make.down(), Status.UP, "failed, as it should: connection refused"),
        (make.outcome(status=Status.UNKNOWN, code=0, message="no route"), Status.UNKNOWN, "no route"),
    ],
)
@pytest.mark.parametrize("late", [False, True])
async def test_upside_down_the_message_explains_the_status(known, outcome, status, message, late):
    """In the list, live, and in what people are alerted with; a heartbeat that comes late too."""
    no = min(known)
    turned = {no: msgspec.structs.replace(known[no], upside_down=True)}
    one = msgspec.structs.replace(outcome, series=no, at_ms=NOW + STEP, early=True)
    before = make.outcome(
        series=no,
        at_ms=NOW + 2 * STEP if late else NOW,
        status=Status.UP if status is Status.UP else Status.DOWN,
    )
    await results.store_results(make.results(before), turned, NOW + 2 * STEP)
    stored = await results.store_results(make.results(one), turned, NOW + 2 * STEP)
    assert [(beat.status, beat.msg) for beat in results.to_heartbeats(stored.heartbeats, turned)] == [(status, message)]
    listed = await heartbeats.get(no, NOW + STEP)
    assert listed
    assert (listed.status, listed.msg) == (status, message)
    alerts = [event.data["msg"] for event in stored.events if event.event.startswith("monitor.")]
    assert alerts == ([] if late else [message])


async def test_upside_down_an_everyday_message_needs_no_row_of_its_own(known):
    no = min(known)
    turned = {no: msgspec.structs.replace(known[no], upside_down=True)}
    for number, one in enumerate([make.down(), make.down(message="", code=NO_ANSWER)]):
        at_ms = NOW + number * STEP
        await results.store_results(make.results(msgspec.structs.replace(one, series=no, at_ms=at_ms)), turned, at_ms)
    listed = await heartbeats.get(no, NOW + STEP)
    assert listed
    assert listed.msg == "failed, as it should: no answer within the timeout"
    assert await count("heartbeat_details") == 0
