"""Stores a batch of check results in one transaction; storing the same slot twice has the effect of once.

A batch costs a handful of statements however many outcomes it holds: lock and read the states of its series, evaluate,
write heartbeats, states, events and deliveries. Redelivery is harmless, since only outcomes newer than the newest
stored heartbeat of their series are evaluated; older ones are stored and change no state.
Written as SQL: batch inserts and upserts over JSON arrays.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from app import clock, db
from app.domain.monitoring.judge import INVERTED, Evaluation, MonitorState, RetryPolicy, heartbeat_message, judge
from app.store.alerting import expiry_notices, outbox
from app.store.history import gaps
from app.store.incidents import incidents
from app.store.monitoring import dependencies, state
from app.store.monitoring.dependencies import Recheck
from app.store.monitoring.state import SeriesProgress
from app.store.system import settings
from app.store.tables.heartbeats import EARLY, IMPORTANT, RAW_STATUS_SHIFT, HeartbeatRow
from schema.events import Event
from schema.heartbeat_texts import INFORMATIONAL, NOT_CHECKED, PUSHED
from schema.heartbeats import EPOCH_MS, SERIES_SHIFT, Heartbeat, heartbeat_key, slot_of_key
from schema.jobs import CheckOutcome, ResultBatch
from schema.monitors import Snapshot
from schema.status import Status

# The result of a slot that was given up may arrive later, after waiting for the database; it replaces NOT_CHECKED.
_REPLACE = (
    "UPDATE SET status = excluded.status, flags = excluded.flags, took_us = excluded.took_us, code = excluded.code"
    f" WHERE heartbeats.code = {NOT_CHECKED} AND excluded.code <> {NOT_CHECKED}"
)

_json = msgspec.json.Encoder()


class StoredHeartbeat(Struct, frozen=True):
    """An outcome stored as a heartbeat.

    evaluation     None for a late outcome
    late_status    the status of a late one, without retries
    """

    outcome: CheckOutcome
    evaluation: Evaluation | None
    late_status: Status = Status.UNKNOWN

    @property
    def status(self) -> Status:
        """The heartbeat's status."""
        return self.evaluation.status if self.evaluation else self.late_status


class StoredResults(Struct, frozen=True):
    """The result of storing one batch.

    heartbeats  the new ones
    deliveries  channel id -> ids of deliveries to send
    rechecks    series to check soon, because a parent went down or recovered
    """

    heartbeats: list[StoredHeartbeat]
    events: list[Event]
    deliveries: dict[str, list[str]]
    rechecks: list[Recheck] = []


async def store_results(batch: ResultBatch, snapshots: Mapping[int, Snapshot], now_ms: int) -> StoredResults:
    """Store new outcomes, states, events and deliveries in one transaction."""
    known = [one for one in batch.outcomes if one.series in snapshots]
    expiring = await _expiry_candidates(known, snapshots)
    async with db.transaction():
        await gaps.store(batch.gaps)
        if not known:
            return StoredResults([], [], {})
        states, progress = await state.load(sorted({one.series for one in known}), now_ms)
        before = dict(states)
        stored = _evaluate_all(known, snapshots, (states, progress), now_ms)
        await _insert_heartbeats(stored, {no for no, one in progress.items() if one.out_of_order})
        await state.save({no: one for no, one in states.items() if one is not before[no]})
        await state.save_order(progress)
        events = [event for one in stored for event in _events_of(one, snapshots[one.outcome.series])]
        events = await incidents.apply_events(events, now_ms)
        in_order = (one.outcome for one in stored if one.evaluation)
        if over := expiry_notices.find_over(in_order, {no: one.expiring for no, one in progress.items()}):
            events += await expiry_notices.close_over(over, snapshots)
        if expiring:
            events += await expiry_notices.record_notices(expiring)
        deliveries = await outbox.record_events(events, now_ms)
        rechecks = await dependencies.rechecks_after(events, now_ms)
    if expiring:
        expiry_notices.remember_recorded(expiring)
    return StoredResults(stored, events, deliveries, rechecks)


def _events_of(stored: StoredHeartbeat, snapshot: Snapshot) -> list[Event]:
    """The event that a heartbeat leads to, if any, after those of what it ends."""
    outcome, evaluation = stored.outcome, stored.evaluation
    event = outbox.event_from_evaluation(outcome, evaluation, snapshot)
    cleared = outbox.cleared_events(outcome, evaluation, snapshot) if evaluation and evaluation.cleared else []
    return [*cleared, *([event] if event else [])]


async def _expiry_candidates(
    outcomes: list[CheckOutcome], snapshots: Mapping[int, Snapshot]
) -> list[expiry_notices.ExpiryCandidate]:
    """Certificates and domains that expire soon enough for a notice."""
    if not any(one.expiring for one in outcomes):
        return []
    return expiry_notices.find_candidates(outcomes, snapshots, await settings.get_value("expiry.notify_days"))


def _evaluate_all(
    outcomes: Iterable[CheckOutcome],
    snapshots: Mapping[int, Snapshot],
    so_far: tuple[dict[int, MonitorState], dict[int, SeriesProgress]],
    now_ms: int,
) -> list[StoredHeartbeat]:
    """Evaluate outcomes in the order of their slots; late ones are stored without an evaluation."""
    (states, progress), stored = so_far, list[StoredHeartbeat]()
    for one in sorted(outcomes, key=lambda outcome: outcome.at_ms):
        before, snapshot = states.get(one.series), snapshots[one.series]
        if before is None:
            continue  # deleted while it was being checked
        key = heartbeat_key(one.series, one.at_ms)
        if key <= progress[one.series].floor(one.at_ms, now_ms):
            stored.append(StoredHeartbeat(one, None, _late_status(one, snapshot)))
            continue
        evaluation = _evaluate(before, one, snapshot)
        states[one.series] = evaluation.state
        progress[one.series].advance(key, now_ms)
        stored.append(StoredHeartbeat(one, evaluation))
    return stored


def _late_status(outcome: CheckOutcome, snapshot: Snapshot) -> Status:
    is_inverted = snapshot.upside_down and outcome.code not in INFORMATIONAL
    return INVERTED.get(outcome.status, outcome.status) if is_inverted else outcome.status


def _evaluate(before: MonitorState, outcome: CheckOutcome, snapshot: Snapshot) -> Evaluation:
    """Evaluate an outcome; an informational one (a start, a log) repeats the status and changes no state."""
    if outcome.code in INFORMATIONAL:
        return Evaluation(before.status, before)
    policy = RetryPolicy(snapshot.max_retries, snapshot.resend_interval, snapshot.upside_down)
    return judge(before, outcome.status, outcome.at_ms, policy, in_maintenance=False)


async def _insert_heartbeats(stored: list[StoredHeartbeat], out_of_order: Collection[int]) -> None:
    """Insert heartbeats and details; removes late ones that changed nothing from the list.

    out_of_order  series where a slot may have a heartbeat already that was stored before the slot was due
    """
    evaluated = [one for one in stored if one.evaluation]
    if out_of_order:
        await _clear_slots([one for one in evaluated if one.outcome.series in out_of_order])
    await _insert_rows(evaluated)
    if len(evaluated) < len(stored):
        late = _one_per_slot(one for one in stored if not one.evaluation)
        inserted = await _insert_rows(late, _REPLACE)
        stored[:] = evaluated + [
            one for one in late if heartbeat_key(one.outcome.series, one.outcome.at_ms) in inserted
        ]
    details = [row for one in stored if (row := _detail_of(one))]
    if details:
        await db.rows(
            "INSERT INTO heartbeat_details (id, message, detail) SELECT CAST(value->>0 AS BIGINT), value->>1, value->>2"
            " FROM {each:1} WHERE TRUE ON CONFLICT (id) DO NOTHING",
            _json.encode(details).decode(),
        )


async def _clear_slots(evaluated: Iterable[StoredHeartbeat]) -> None:
    """Delete what was stored at these slots while the clock was ahead."""
    keys = [[heartbeat_key(one.outcome.series, one.outcome.at_ms)] for one in evaluated]
    if keys:
        for table in ("heartbeat_details", "heartbeats"):
            await db.rows(
                f"DELETE FROM {table} WHERE id IN (SELECT CAST(value->>0 AS BIGINT) FROM {{each:1}})",
                _json.encode(keys).decode(),
            )


def _one_per_slot(late: Iterable[StoredHeartbeat]) -> list[StoredHeartbeat]:
    """One heartbeat per slot, a result rather than NOT_CHECKED, since a statement can't write a row twice."""
    found: dict[int, StoredHeartbeat] = {}
    for one in late:
        key = heartbeat_key(one.outcome.series, one.outcome.at_ms)
        if key not in found or found[key].outcome.code == NOT_CHECKED:
            found[key] = one
    return list(found.values())


async def _insert_rows(heartbeats: Iterable[StoredHeartbeat], on_conflict: str = "NOTHING") -> set[int]:
    """Insert heartbeats; returns the keys that were written."""
    rows = [_row_of(one) for one in heartbeats]
    if not rows:
        return set()
    written = await db.rows(
        "INSERT INTO heartbeats (id, status, flags, took_us, code) SELECT CAST(value->>0 AS BIGINT),"
        " CAST(value->>1 AS INTEGER), CAST(value->>2 AS INTEGER), CAST(value->>3 AS INTEGER),"
        " CAST(value->>4 AS INTEGER)"
        f" FROM {{each:1}} WHERE TRUE ON CONFLICT (id) DO {on_conflict} RETURNING id",
        _json.encode(rows).decode(),
    )
    return {row["id"] for row in written}


def _row_of(heartbeat: StoredHeartbeat) -> tuple[int, ...]:
    outcome, important = heartbeat.outcome, bool(heartbeat.evaluation and heartbeat.evaluation.important)
    flags = (IMPORTANT if important else 0) | (EARLY if outcome.early else 0) | (outcome.status << RAW_STATUS_SHIFT)
    key, took_us = heartbeat_key(outcome.series, outcome.at_ms), min(outcome.took_us, 2_147_483_647)
    return key, heartbeat.status, flags, took_us, outcome.code


def _detail_of(heartbeat: StoredHeartbeat) -> tuple[int, str, str] | None:
    """Message and detail of a heartbeat worth reading; None for an ordinary "200 OK"."""
    outcome, important = heartbeat.outcome, bool(heartbeat.evaluation and heartbeat.evaluation.important)
    if not (outcome.message or outcome.detail):
        return None
    if heartbeat.status is Status.UP and not outcome.early and not important:
        return None
    detail = _json.encode(outcome.detail).decode() if outcome.detail else ""
    return heartbeat_key(outcome.series, outcome.at_ms), outcome.message, detail


def to_heartbeats(stored: Sequence[StoredHeartbeat], snapshots: Mapping[int, Snapshot]) -> list[Heartbeat]:
    """Heartbeats as the API returns them, for the live channels."""
    return [
        Heartbeat(
            id=f"{heartbeat_key(one.outcome.series, one.outcome.at_ms):x}",
            monitor_id=snapshots[one.outcome.series].monitor_id,
            status=one.status,
            raw_status=one.outcome.status,
            time=clock.instant(one.outcome.at_ms),
            ping=one.outcome.took_us / 1000 if one.outcome.took_us else None,
            msg=heartbeat_message(one.status, one.outcome.status, one.outcome.message, one.outcome.code),
            important=bool(one.evaluation and one.evaluation.important),
        )
        for one in stored
    ]


async def newest_push_ms(series: int, since_ms: int, code: int = PUSHED, *, until_ms: int | None = None) -> int:
    """Epoch milliseconds of the newest push of this code since then, negative when it reported down; 0 for none.

    until_ms  ignores later ones, which were stored while the clock was ahead; None counts all
    """
    first = heartbeat_key(series, max(since_ms, EPOCH_MS))
    end = (series + 1) << SERIES_SHIFT if until_ms is None else heartbeat_key(series, until_ms)
    pushes = HeartbeatRow.select(HeartbeatRow.id, HeartbeatRow.flags).where(
        HeartbeatRow.id >= first, HeartbeatRow.id < end, HeartbeatRow.code == code
    )
    newest = await pushes.order_by(HeartbeatRow.id, ascending=False).first()
    if newest is None:
        return 0
    at_ms, raw_status = slot_of_key(newest["id"])[1], newest["flags"] >> RAW_STATUS_SHIFT
    return -at_ms if raw_status == Status.DOWN else at_ms
