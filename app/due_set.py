"""The due set on Redis: when each series is due, what is in flight, and what was missed. Never the record.

Every change is one Lua script (`app/lua/`), so any number of schedulers, workers and API processes may call at once:
a slot is claimed by one, in flight until its heartbeat is stored, and no series is checked twice at a time.
If Redis loses its data, the scheduler rebuilds the set from the database.

The scripts compute the grid of intervals themselves. For a cron expression they have a list of slots, made here: a
series is claimed only while its list reaches beyond now, and `claim_due` refills the lists that run low.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import sha1
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Struct
from redis.exceptions import NoScriptError

from app import queue
from app.clock import now_ms
from app.clock_watch import FUTURE_TOLERANCE_MS
from app.domain.schedule import slots
from app.errors import Unavailable
from schema.jobs import CheckBatch, MonitorSchedule, ScheduleGap, Slot

PARTITIONS = 4  # parts of the due set, which the schedulers divide among themselves
GRACE_MS = 4_000  # a slot may stay in flight this long beyond its timeout: for queue, batching and ingest
LOST_RETRY_MS = 30_000  # a lost slot that was not stored is reported again after this, then after twice as long
MAX_LOST_RETRY_MS = 3_600_000  # between two reports of a lost slot
HELD_RECHECK_MS = 1_000  # after the deadline of a check in flight, until its series is due again
CHUNK = 500  # series per script call: a script must not hold Redis for long
CRON_SLOTS_AHEAD = 8  # cron slots that are listed in advance
CRON_SLOTS_LOW = 3  # with this many left, the list is refilled

_LUA = {path.stem: path.read_text() for path in (Path(__file__).parent / "lua").glob("*.lua")}
_SHA = {name: sha1(text.encode(), usedforsecurity=False).hexdigest() for name, text in _LUA.items()}


class ClaimedSlots(Struct, frozen=True, array_like=True):
    """The result of one tick of the scheduler.

    is_missing   the set does not exist (Redis was emptied): rebuild it
    next_due_ms  epoch milliseconds of the earliest remaining due time; 0 when nothing is scheduled
    low          (series, encoded schedule) of cron series whose list of slots runs low
    """

    is_missing: bool
    slots: list[Slot]
    gaps: list[ScheduleGap]
    next_due_ms: int
    low: list[tuple[int, str]] = []


class OverdueSlots(Struct, frozen=True, array_like=True):
    """Slots past their deadline: to be enqueued again, or lost."""

    requeue: list[Slot]
    lost: list[Slot]


class StoredSlot(Struct, frozen=True):
    """A slot whose heartbeat is stored.

    recheck_at_ms  when to check the series before its next slot (a retry); 0: not
    is_real        a check was made; False for a heartbeat that records that none was
    """

    series: int
    at_ms: int
    recheck_at_ms: int = 0
    is_real: bool = True


_claim_decoder = msgspec.msgpack.Decoder(ClaimedSlots, strict=False)
_overdue_decoder = msgspec.msgpack.Decoder(OverdueSlots, strict=False)


async def _run_script(name: str, *args: str | int | bytes) -> Any:
    """Run a script by its digest; send its text when Redis does not have it."""
    try:
        return await queue.client().evalsha(_SHA[name], 0, *args)
    except NoScriptError:
        return await queue.client().eval(_LUA[name], 0, *args)


async def claim_due(
    limit: int, partitions: Collection[int] = range(PARTITIONS), *, at_ms: int | None = None
) -> ClaimedSlots:
    """Claim up to `limit` due series per partition, as of `at_ms` or now."""
    now = at_ms or now_ms()
    claimed = _claim_decoder.decode(await _run_script("claim", now, limit, GRACE_MS, CRON_SLOTS_LOW, *partitions))
    if claimed.low:
        await _refill_cron_slots(claimed.low, now)
    return claimed


async def _refill_cron_slots(low: Sequence[tuple[int, str]], now: int) -> None:
    """Refill lists of cron slots. If this is interrupted, the next claim requests it again."""
    for start in range(0, len(low), CHUNK):
        chunk = [
            (series, text, _cron_slots(_decode_schedule(series, text), now))
            for series, text in low[start : start + CHUNK]
        ]
        await _run_script("refill", *(part for row in chunk for part in row))


async def claim_overdue(limit: int, *, backlog_ms: int = 0) -> OverdueSlots:
    """Claim slots that were not stored in time; each call moves their deadline.

    backlog_ms  how long jobs wait in the queues: results have so much more time
    """
    found = await _run_script("overdue", now_ms(), limit, GRACE_MS, LOST_RETRY_MS, backlog_ms)
    return _overdue_decoder.decode(found)


async def mark_stored(stored: Sequence[StoredSlot]) -> None:
    """Mark slots whose heartbeats are stored. Idempotent."""
    for start in range(0, len(stored), CHUNK):
        chunk = stored[start : start + CHUNK]
        args = [part for slot in chunk for part in (slot.series, slot.at_ms, slot.recheck_at_ms, int(slot.is_real))]
        await _run_script("land", PARTITIONS, *args)


def _encode_schedule(schedule: MonitorSchedule) -> str:
    phase_ms = slots.phase_ms(schedule.series, schedule.interval_ms)
    numbers = f"{schedule.interval_ms}:{schedule.timeout_ms}:{schedule.version}:{phase_ms}"
    return f"{numbers}:{schedule.cron}:{schedule.timezone}" if schedule.cron else numbers


def _decode_schedule(series: int, text: str) -> MonitorSchedule:
    """The schedule of a cron series, as encoded by `_encode_schedule`."""
    interval_ms, timeout_ms, version, _, cron, timezone = text.split(":", 5)
    return MonitorSchedule(series, int(interval_ms), int(timeout_ms), int(version), cron, timezone)


def _cron_slots(schedule: MonitorSchedule, since_ms: int) -> str:
    """The list for a cron series: its newest slot and the next ones; empty for an interval."""
    return ",".join(map(str, slots.upcoming_slots(schedule, since_ms, CRON_SLOTS_AHEAD))) if schedule.cron else ""


async def put_series(
    schedules: Iterable[MonitorSchedule],
    *,
    first_at_ms: int | None = None,
    since_ms: int | None = None,
    reset: bool = False,
) -> None:
    """Add or change series. With the same schedule a series keeps its due time, else it is due at its next slot.

    first_at_ms  the latest first due time; earlier slots are kept
    since_ms     when the schedule came into force: the next slot is after it; default now
    reset        ignore an existing due time
    """
    since_ms, pending = since_ms or now_ms(), list(schedules)
    for start in range(0, len(pending), CHUNK):
        chunk = [
            (one.series, _encode_schedule(one), _cron_slots(one, since_ms)) for one in pending[start : start + CHUNK]
        ]
        options = (since_ms, first_at_ms or 0, int(reset))
        await _run_script("plan", PARTITIONS, *options, *(part for row in chunk for part in row))


async def remove_series(series: Iterable[int], *, at_ms: int | None = None) -> None:
    """Remove paused or deleted series. A slot due by `at_ms` (default now) without a heartbeat becomes a gap."""
    numbers = list(series)
    for start in range(0, len(numbers), CHUNK):
        await _run_script("drop", PARTITIONS, at_ms or now_ms(), *numbers[start : start + CHUNK])


async def check_now(series: int, version: int, timeout_s: float) -> int:
    """Check a series at once and wait until the result is stored.

    A series without a schedule (paused) is checked too, and stays paused.
    returns  the stored slot, epoch milliseconds: the key of its heartbeat
    raises   Unavailable when nothing was stored in time
    """
    token, now = uuid4().hex, now_ms()
    if int(await _run_script("hasten", PARTITIONS, series, now, token)) == 0:
        await queue.put(CheckBatch([Slot(series, version, now, early=True)]))
    reply = await queue.wait_for_reply(token, timeout_s)
    if reply is None:
        raise Unavailable("No worker ran the check in time; it may still run.")
    return int(reply)


async def list_gaps() -> list[ScheduleGap]:
    """Missed slots that are not stored yet."""
    _, found = await queue.client().hscan("wk:gaps", 0, count=1_000)
    return [ScheduleGap(*map(int, [*key.split(b":"), *value.split(b":")])) for key, value in found.items()]  # type: ignore[arg-type]  # four numbers


async def add_gaps(missed: Iterable[ScheduleGap]) -> None:
    """Add missed slots, until they are stored."""
    fields = {f"{gap.series}:{gap.from_ms}": f"{gap.to_ms}:{gap.interval_ms}" for gap in missed}
    if fields:
        await queue.client().hset("wk:gaps", mapping=fields)


async def remove_gaps(stored: Iterable[ScheduleGap]) -> None:
    """Remove missed slots that are stored."""
    fields = [f"{gap.series}:{gap.from_ms}" for gap in stored]
    if fields:
        await queue.client().hdel("wk:gaps", *fields)


async def mark_built() -> None:
    """Mark the set as complete."""
    await queue.client().set("wk:built", now_ms())


async def list_scheduled() -> dict[int, tuple[int, str]]:
    """All series of the set -> (version, encoded schedule)."""
    found = await queue.client().hgetall("wk:plan")
    return {int(series): (int(text.split(b":")[2]), text.decode()) for series, text in found.items()}


def has_changed(schedule: MonitorSchedule, stored: tuple[int, str] | None) -> bool:
    """Whether the set's schedule of a series differs from the database's."""
    return stored is None or stored[1] != _encode_schedule(schedule)


async def find_misplaced(schedules: Mapping[int, MonitorSchedule]) -> list[int]:
    """Series whose due time lies beyond their next slot: the clock was ahead, and was corrected.

    Also moves deadlines that lie too far ahead to now, so that a check in flight times out as early as usual.
    """
    now = now_ms()
    tolerance_ms = FUTURE_TOLERANCE_MS + min(
        (one.interval_ms for one in schedules.values()), default=0
    )  # 0 with cron series
    async with queue.client().pipeline(transaction=False) as pipe:
        pipe.zrange("wk:flight", 0, -1, withscores=True)
        for part in range(PARTITIONS):
            pipe.zrangebyscore(f"wk:due:{part}", now + tolerance_ms, "+inf", withscores=True)
        in_flight, *due = await pipe.execute()
    deadlines = {int(series): int(at_ms) for series, at_ms in in_flight if int(series) in schedules}
    for series in await _shorten_deadlines(deadlines, schedules, now):
        deadlines[series] = now
    found = [(int(series), at_ms) for part in due for series, at_ms in part if int(series) in schedules]
    return [
        series
        for series, at_ms in found
        # most series fail the first condition, which needs no slots
        if at_ms > now + FUTURE_TOLERANCE_MS + schedules[series].interval_ms
        and at_ms > _latest_due_ms(schedules[series], deadlines.get(series, 0), now)
    ]


def _latest_due_ms(schedule: MonitorSchedule, deadline_ms: int, now: int) -> int:
    """The latest correct due time: the next slot, or the timeout of the check in flight."""
    return max(
        slots.next_due(schedule.series, schedule, now + FUTURE_TOLERANCE_MS) or 0,
        deadline_ms + HELD_RECHECK_MS + FUTURE_TOLERANCE_MS,
    )


async def _shorten_deadlines(
    deadlines: Mapping[int, int], schedules: Mapping[int, MonitorSchedule], now: int
) -> list[int]:
    """Move deadlines that lie further ahead than their attempt allows to now; returns their series."""
    limits_ms = {series: schedules[series].timeout_ms + GRACE_MS for series in deadlines}
    suspects = [series for series, at_ms in deadlines.items() if at_ms > now + limits_ms[series] + FUTURE_TOLERANCE_MS]
    if not suspects:
        return []
    stored = await queue.client().hmget("wk:slot", suspects)
    attempts = {series: int(text.split(b":")[1]) for series, text in zip(suspects, stored, strict=True) if text}
    waits_ms = {
        series: _lost_wait_ms(attempt) if attempt > 1 else limits_ms[series] for series, attempt in attempts.items()
    }
    beyond = [series for series, wait_ms in waits_ms.items() if deadlines[series] > now + wait_ms + FUTURE_TOLERANCE_MS]
    if beyond:
        await queue.client().zadd("wk:flight", dict.fromkeys(map(str, beyond), now), xx=True)
    return beyond


def _lost_wait_ms(attempt: int) -> int:
    """The same as in the script `overdue`."""
    return int(min(LOST_RETRY_MS * 2 ** min(attempt - 2, 20), MAX_LOST_RETRY_MS))


async def count_unscheduled() -> int:
    """Series with a schedule but no due time; not 0: the set is damaged."""
    async with queue.client().pipeline(transaction=True) as pipe:
        pipe.hlen("wk:plan")
        for part in range(PARTITIONS):
            pipe.zcard(f"wk:due:{part}")
        schedules, *due = await pipe.execute()
    return int(schedules) - sum(map(int, due))


async def list_late(by_ms: int) -> list[tuple[int, int]]:
    """(series, due time) of series that have been due for more than `by_ms`; at most 1,000 per partition."""
    until_ms = now_ms() - by_ms
    async with queue.client().pipeline(transaction=False) as pipe:
        for part in range(PARTITIONS):
            pipe.zrangebyscore(f"wk:due:{part}", "-inf", until_ms, start=0, num=1_000, withscores=True)
        return [(int(series), int(at_ms)) for found in await pipe.execute() for series, at_ms in found]


async def list_stale() -> list[int]:
    """Series that were claimed, without a real result for two intervals since; at most 1,000.

    `claim_overdue` records them, so call it regularly.
    """
    found = await queue.client().zrangebyscore("wk:stale_at", "-inf", now_ms(), start=0, num=1_000)
    return [int(series) for series in found]


async def count_lost_slots() -> int:
    """How many slots were lost since Redis was created: enqueued twice, without a result."""
    return int(await queue.client().get("wk:lost") or 0)


async def oldest_due_ms() -> int:
    """Epoch milliseconds of the earliest due time; 0 when nothing is scheduled."""
    async with queue.client().pipeline(transaction=False) as pipe:
        for part in range(PARTITIONS):
            pipe.zrange(f"wk:due:{part}", 0, 0, withscores=True)
        scores = [found[0][1] for found in await pipe.execute() if found]
    return int(min(scores, default=0))
