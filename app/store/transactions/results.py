"""Heartbeats: outcomes are absorbed in one transaction a batch, and the same slot twice has the effect of once.

A batch is a handful of statements however many outcomes it holds: lock and read where its series stand, decide,
write heartbeats, standings, events and deliveries. Redelivery is harmless because only outcomes that are newer
than the newest stored heartbeat of their series are weighed; the others are kept and change no state.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from app import clock, db
from app.domain.monitoring import upside_down
from app.domain.monitoring.judge import Evaluation, MonitorState, RetryPolicy, judge
from app.store.alerting import expiry_notices, outbox
from app.store.history import gaps
from app.store.incidents import incidents
from app.store.monitoring import dependencies, state
from app.store.monitoring.dependencies import Recheck
from app.store.monitoring.state import SeriesProgress
from app.store.system import settings
from app.store.tables.heartbeats import EARLY, IMPORTANT, RAW_STATUS_SHIFT
from schema.events import Event
from schema.heartbeat_texts import INFORMATIONAL, NOT_CHECKED, PUSHED
from schema.heartbeats import EPOCH_MS, SERIES_SHIFT, Heartbeat, heartbeat_key, slot_of_key
from schema.jobs import CheckOutcome, ResultBatch
from schema.monitors import Snapshot
from schema.status import Status

# A slot that was given up may have had a result all the same, which waited for the database: the result is the truth.
_REPLACE = (
    "UPDATE SET status = excluded.status, flags = excluded.flags, took_us = excluded.took_us, code = excluded.code"
    f" WHERE heartbeats.code = {NOT_CHECKED} AND excluded.code <> {NOT_CHECKED}"
)

_json = msgspec.json.Encoder()


class StoredHeartbeat(Struct, frozen=True):
    """An outcome that is a heartbeat now, with what was decided of it; `verdict` is None for a late one.

    late_status    what a late one comes to by itself
    """

    outcome: CheckOutcome
    evaluation: Evaluation | None
    late_status: Status = Status.UNKNOWN

    @property
    def status(self) -> Status:
        """The heartbeat's status."""
        return self.evaluation.status if self.evaluation else self.late_status


class StoredResults(Struct, frozen=True):
    """What one batch changed.

    kept        heartbeats that are new
    deliveries  channel id -> ids of deliveries to be sent
    looks       series to be checked soon, for what others' outages and recoveries mean to them
    """

    heartbeats: list[StoredHeartbeat]
    events: list[Event]
    deliveries: dict[str, list[str]]
    rechecks: list[Recheck] = []


async def store_results(batch: ResultBatch, snapshots: Mapping[int, Snapshot], now_ms: int) -> StoredResults:
    """Keep new outcomes, move standings, record events and who must be told: one fact, one transaction."""
    known = [one for one in batch.outcomes if one.series in snapshots]
    ending = await _expiry_candidates(known, snapshots)
    async with db.transaction():
        await gaps.store(batch.gaps)
        if not known:
            return StoredResults([], [], {})
        standings, newest = await state.load(sorted({one.series for one in known}), now_ms)
        before = dict(standings)
        kept = _evaluate_all(known, snapshots, (standings, newest), now_ms)
        await _insert_heartbeats(kept, {no for no, one in newest.items() if one.out_of_order})
        await state.save({no: one for no, one in standings.items() if one is not before[no]})
        await state.save_order(newest)
        events = [
            event
            for one in kept
            if (event := outbox.event_from_evaluation(one.outcome, one.evaluation, snapshots[one.outcome.series]))
        ]
        events = await incidents.apply_events(events, now_ms)
        events += await expiry_notices.record_notices(ending)
        deliveries = await outbox.record_events(events, now_ms)
        looks = await dependencies.rechecks_after(events, now_ms)
    expiry_notices.remember_recorded(ending)
    return StoredResults(kept, events, deliveries, looks)


async def _expiry_candidates(
    outcomes: list[CheckOutcome], snapshots: Mapping[int, Snapshot]
) -> list[expiry_notices.ExpiryCandidate]:
    """Certificates and domains that end soon enough for a notice."""
    if not any(one.expiring for one in outcomes):
        return []
    return expiry_notices.find_candidates(outcomes, snapshots, await settings.get_value("expiry.notify_days"))


def _evaluate_all(
    outcomes: Iterable[CheckOutcome],
    snapshots: Mapping[int, Snapshot],
    so_far: tuple[dict[int, MonitorState], dict[int, SeriesProgress]],
    now_ms: int,
) -> list[StoredHeartbeat]:
    """Judge outcomes in the order of their slots; what is not newer than the newest judged one is kept unjudged."""
    (standings, newest), kept = so_far, list[StoredHeartbeat]()
    for one in sorted(outcomes, key=lambda outcome: outcome.at_ms):
        standing = standings.get(one.series)
        if standing is None:
            continue  # deleted while it was being checked
        key = heartbeat_key(one.series, one.at_ms)
        if key <= newest[one.series].floor(one.at_ms, now_ms):
            kept.append(StoredHeartbeat(one, None, _late_status(one, snapshots[one.series])))
            continue
        verdict = _evaluate(standing, one, snapshots[one.series])
        standings[one.series] = verdict.state
        newest[one.series].advance(key, now_ms)
        kept.append(StoredHeartbeat(one, verdict))
    return kept


def _late_status(one: CheckOutcome, snapshot: Snapshot) -> Status:
    turns = snapshot.upside_down and one.code not in INFORMATIONAL
    return upside_down.INVERTED.get(one.status, one.status) if turns else one.status


def _evaluate(standing: MonitorState, one: CheckOutcome, snapshot: Snapshot) -> Evaluation:
    """What an outcome leads to; a note (a start, a log) repeats the status and moves nothing."""
    if one.code in INFORMATIONAL:
        return Evaluation(standing.status, standing)
    return judge(standing, one.status, one.at_ms, _retry_policy_of(snapshot), in_maintenance=False)


def _retry_policy_of(snapshot: Snapshot) -> RetryPolicy:
    return RetryPolicy(snapshot.max_retries, snapshot.resend_interval, snapshot.upside_down)


async def _insert_heartbeats(kept: list[StoredHeartbeat], disordered: Collection[int]) -> None:
    """Write heartbeats and the details of those that matter; late ones that change nothing leave the list.

    disordered  series where a heartbeat may lie at a slot already that was not due yet when it was stored
    """
    judged = [one for one in kept if one.evaluation]
    late = _one_per_slot([one for one in kept if not one.evaluation])
    await _clear_slots([one for one in judged if one.outcome.series in disordered])
    await _insert_rows(judged)
    if late:
        fresh = await _insert_rows(late, _REPLACE)
        kept[:] = judged + [one for one in late if heartbeat_key(one.outcome.series, one.outcome.at_ms) in fresh]
    details = [row for one in kept if (row := _detail_of(one))]
    if details:
        await db.rows(
            "INSERT INTO details (id, message, detail) SELECT CAST(value->>0 AS BIGINT), value->>1, value->>2"
            " FROM {each:1} WHERE TRUE ON CONFLICT (id) DO NOTHING",
            _json.encode(details).decode(),
        )


async def _clear_slots(judged: Iterable[StoredHeartbeat]) -> None:
    """Make room: what a clock that was ahead stored at these slots is not what happened at them."""
    keys = [[heartbeat_key(one.outcome.series, one.outcome.at_ms)] for one in judged]
    if keys:
        for table in ("details", "heartbeats"):
            await db.rows(
                f"DELETE FROM {table} WHERE id IN (SELECT CAST(value->>0 AS BIGINT) FROM {{each:1}})",
                _json.encode(keys).decode(),
            )


def _one_per_slot(late: Iterable[StoredHeartbeat]) -> list[StoredHeartbeat]:
    """One of each slot, a result rather than that there was none: a statement can't write a row twice."""
    found: dict[int, StoredHeartbeat] = {}
    for one in late:
        key = heartbeat_key(one.outcome.series, one.outcome.at_ms)
        if key not in found or found[key].outcome.code == NOT_CHECKED:
            found[key] = one
    return list(found.values())


async def _insert_rows(kept: Iterable[StoredHeartbeat], where_stored: str = "NOTHING") -> set[int]:
    rows = [_row_of(one) for one in kept]
    if not rows:
        return set()
    done = await db.rows(
        "INSERT INTO heartbeats (id, status, flags, took_us, code) SELECT CAST(value->>0 AS BIGINT),"
        " CAST(value->>1 AS INTEGER), CAST(value->>2 AS INTEGER), CAST(value->>3 AS INTEGER),"
        " CAST(value->>4 AS INTEGER)"
        f" FROM {{each:1}} WHERE TRUE ON CONFLICT (id) DO {where_stored} RETURNING id",
        _json.encode(rows).decode(),
    )
    return {row["id"] for row in done}


def _row_of(kept: StoredHeartbeat) -> tuple[int, ...]:
    one, important = kept.outcome, bool(kept.evaluation and kept.evaluation.important)
    flags = (IMPORTANT if important else 0) | (EARLY if one.early else 0) | (one.status << RAW_STATUS_SHIFT)
    return heartbeat_key(one.series, one.at_ms), kept.status, flags, min(one.took_us, 2_147_483_647), one.code


def _detail_of(kept: StoredHeartbeat) -> tuple[int, str, str] | None:
    """Words and facts of a heartbeat that somebody will ask about; an everyday "200 OK" has none."""
    one = kept.outcome
    if not (one.message or one.detail):
        return None
    if kept.status is Status.UP and not one.early and not (kept.evaluation and kept.evaluation.important):
        return None
    detail = _json.encode(one.detail).decode() if one.detail else ""
    return heartbeat_key(one.series, one.at_ms), one.message, detail


def to_heartbeats(stored: Sequence[StoredHeartbeat], snapshots: Mapping[int, Snapshot]) -> list[Heartbeat]:
    """Heartbeats as people and programs see them, for the live channels."""
    return [
        Heartbeat(
            id=f"{heartbeat_key(one.outcome.series, one.outcome.at_ms):x}",
            monitor_id=snapshots[one.outcome.series].monitor_id,
            status=one.status,
            raw_status=one.outcome.status,
            time=clock.instant(one.outcome.at_ms),
            ping=one.outcome.took_us / 1000 if one.outcome.took_us else None,
            msg=upside_down.heartbeat_message(one.status, one.outcome.status, one.outcome.message, one.outcome.code),
            important=bool(one.evaluation and one.evaluation.important),
        )
        for one in stored
    ]


async def newest_push_ms(series: int, since_ms: int, code: int = PUSHED, *, until_ms: int | None = None) -> int:
    """Epoch milliseconds of the newest push of this code since then, negative when it said down; 0 for none.

    until_ms  later ones were stored by a clock that was ahead; None: they count
    """
    found = await db.rows(
        "SELECT id, flags FROM heartbeats WHERE id >= ?1 AND id < ?2 AND code = ?3 ORDER BY id DESC LIMIT 1",
        heartbeat_key(series, max(since_ms, EPOCH_MS)),
        (series + 1) << SERIES_SHIFT if until_ms is None else heartbeat_key(series, until_ms),
        code,
    )
    if not found:
        return 0
    at_ms, seen = slot_of_key(found[0]["id"])[1], found[0]["flags"] >> RAW_STATUS_SHIFT
    return -at_ms if seen == Status.DOWN else at_ms
