"""The due set on Redis: when each series is due, what is in flight, and what was missed. Never the record.

Every verb is one Lua script (`app/lua/`), so any number of schedulers, workers and API processes may call at once:
a slot is claimed by one, in flight until its heartbeat is stored, and no series is checked twice at a time.
Whoever loses Redis loses nothing: the scheduler builds the set anew from the database.

The scripts compute the grid of intervals themselves. Of a cron expression they know a list of slots, made here: a
series is claimed only while its list reaches beyond now, and `claim` fills up the lists that run low.
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

PARTITIONS = 4  # parts of the due set; what schedulers share out among themselves
GRACE_MS = 4_000  # beyond its timeout a slot may stay in flight this long: queue, flush and ingest together
LOST_RETRY_MS = 30_000  # a lost slot that was not stored is told again after this, then after twice as long
MAX_LOST_RETRY_MS = 3_600_000  # until a lost slot is told again
HELD_RECHECK_MS = 1_000  # after the deadline of its check in flight a series is looked at again
CHUNK = 500  # series per script call: a script must not hold Redis for long
CRON_SLOTS_AHEAD = 8  # cron slots that are known beforehand
CRON_SLOTS_LOW = 3  # so many left, and the list is made anew

_LUA = {path.stem: path.read_text() for path in (Path(__file__).parent / "lua").glob("*.lua")}
_SHA = {name: sha1(text.encode(), usedforsecurity=False).hexdigest() for name, text in _LUA.items()}


class ClaimedSlots(Struct, frozen=True, array_like=True):
    """What one tick of the scheduler got.

    lost         the set is not there (Redis was emptied): build it anew
    next_due_ms  epoch milliseconds of the earliest due time that is left; 0 when nothing is scheduled
    dry          (series, plan as text) of cron series whose list of slots runs low
    """

    is_missing: bool
    slots: list[Slot]
    gaps: list[ScheduleGap]
    next_due_ms: int
    low: list[tuple[int, str]] = []


class OverdueSlots(Struct, frozen=True, array_like=True):
    """Slots past their deadline: to be queued once more, or lost."""

    requeue: list[Slot]
    lost: list[Slot]


class StoredSlot(Struct, frozen=True):
    """A slot whose heartbeat is stored.

    early_at_ms  when the series should be looked at before its next slot (a retry); 0: not
    real         somebody looked; False for a heartbeat that says that nobody did
    """

    series: int
    at_ms: int
    recheck_at_ms: int = 0
    is_real: bool = True


_claim_decoder = msgspec.msgpack.Decoder(ClaimedSlots, strict=False)
_overdue_decoder = msgspec.msgpack.Decoder(OverdueSlots, strict=False)


async def _run_script(name: str, *args: str | int | bytes) -> Any:
    """Run a script by its digest; send its text when Redis does not know it (any more)."""
    try:
        return await queue.client().evalsha(_SHA[name], 0, *args)
    except NoScriptError:
        return await queue.client().eval(_LUA[name], 0, *args)


async def claim_due(
    limit: int, partitions: Collection[int] = range(PARTITIONS), *, at_ms: int | None = None
) -> ClaimedSlots:
    """Take up to `limit` due series per partition, as of an instant: now, unless it is told."""
    now = at_ms or now_ms()
    claimed = _claim_decoder.decode(await _run_script("claim", now, limit, GRACE_MS, CRON_SLOTS_LOW, *partitions))
    if claimed.low:
        await _refill_cron_slots(claimed.low, now)
    return claimed


async def _refill_cron_slots(dry: Sequence[tuple[int, str]], now: int) -> None:
    """Make lists of cron slots anew. Cut off anywhere, the next claim asks for it again."""
    for start in range(0, len(dry), CHUNK):
        chunk = [
            (series, text, _cron_slots(_decode_schedule(series, text), now))
            for series, text in dry[start : start + CHUNK]
        ]
        await _run_script("refill", *(part for row in chunk for part in row))


async def claim_overdue(limit: int) -> OverdueSlots:
    """Slots that did not land in time; each call moves their deadline."""
    return _overdue_decoder.decode(await _run_script("overdue", now_ms(), limit, GRACE_MS, LOST_RETRY_MS))


async def mark_stored(landings: Sequence[StoredSlot]) -> None:
    """Say that heartbeats are stored. Twice is the same as once."""
    for start in range(0, len(landings), CHUNK):
        chunk = landings[start : start + CHUNK]
        args = [part for one in chunk for part in (one.series, one.at_ms, one.recheck_at_ms, int(one.is_real))]
        await _run_script("land", PARTITIONS, *args)


def _encode_schedule(plan: MonitorSchedule) -> str:
    numbers = f"{plan.interval_ms}:{plan.timeout_ms}:{plan.version}:{slots.phase_ms(plan.series, plan.interval_ms)}"
    return f"{numbers}:{plan.cron}:{plan.timezone}" if plan.cron else numbers


def _decode_schedule(series: int, text: str) -> MonitorSchedule:
    """The plan of a cron series, as `_text_of` wrote it."""
    interval_ms, timeout_ms, version, _, cron, timezone = text.split(":", 5)
    return MonitorSchedule(series, int(interval_ms), int(timeout_ms), int(version), cron, timezone)


def _cron_slots(plan: MonitorSchedule, since_ms: int) -> str:
    """The list of a cron series: its newest slot and the next ones; empty for a grid."""
    return ",".join(map(str, slots.upcoming_slots(plan, since_ms, CRON_SLOTS_AHEAD))) if plan.cron else ""


async def put_series(
    plans: Iterable[MonitorSchedule],
    *,
    first_at_ms: int | None = None,
    since_ms: int | None = None,
    reset: bool = False,
) -> None:
    """Add or change series. One keeps its due time while its schedule is the same, else it is due at its next slot.

    first_at_ms  it is due by then at the latest; slots before are not passed over
    since_ms     after when the next slot is meant: when the schedule came into force. Now, unless it is told
    anew         a due time that is there does not count
    """
    since_ms, wanted = since_ms or now_ms(), list(plans)
    for start in range(0, len(wanted), CHUNK):
        chunk = [
            (one.series, _encode_schedule(one), _cron_slots(one, since_ms)) for one in wanted[start : start + CHUNK]
        ]
        terms = (since_ms, first_at_ms or 0, int(reset))
        await _run_script("plan", PARTITIONS, *terms, *(part for row in chunk for part in row))


async def remove_series(series: Iterable[int], *, at_ms: int | None = None) -> None:
    """Take series out: paused or deleted. What was due by then is a gap, if it has no heartbeat; now, unless told."""
    numbers = list(series)
    for start in range(0, len(numbers), CHUNK):
        await _run_script("drop", PARTITIONS, at_ms or now_ms(), *numbers[start : start + CHUNK])


async def check_now(series: int, version: int, timeout_s: float) -> int:
    """Check a series at once and wait until the result is stored.

    A series without a plan (paused) is checked all the same, and stays paused.
    returns  the slot that landed, epoch milliseconds: the key of its heartbeat
    raises   Unavailable when nothing was stored in time
    """
    token, now = uuid4().hex, now_ms()
    if int(await _run_script("hasten", PARTITIONS, series, now, token)) == 0:
        await queue.put(CheckBatch([Slot(series, version, now, early=True)]))
    answer = await queue.wait_for_reply(token, timeout_s)
    if answer is None:
        raise Unavailable("No worker has checked it in time; the check may still run.")
    return int(answer)


async def list_gaps() -> list[ScheduleGap]:
    """Missed slots that are not stored yet."""
    _, kept = await queue.client().hscan("wk:gaps", 0, count=1_000)
    return [ScheduleGap(*map(int, [*key.split(b":"), *value.split(b":")])) for key, value in kept.items()]  # type: ignore[arg-type]  # four numbers


async def add_gaps(missed: Iterable[ScheduleGap]) -> None:
    """Keep missed slots until they are stored."""
    fields = {f"{gap.series}:{gap.from_ms}": f"{gap.to_ms}:{gap.interval_ms}" for gap in missed}
    if fields:
        await queue.client().hset("wk:gaps", mapping=fields)


async def remove_gaps(stored: Iterable[ScheduleGap]) -> None:
    """Missed slots that are stored by now."""
    fields = [f"{gap.series}:{gap.from_ms}" for gap in stored]
    if fields:
        await queue.client().hdel("wk:gaps", *fields)


async def is_built() -> bool:
    """Whether the set is there as a whole."""
    return bool(await queue.client().exists("wk:built"))


async def mark_built() -> None:
    """The set is whole from now on."""
    await queue.client().set("wk:built", now_ms())


async def list_scheduled() -> dict[int, tuple[int, str]]:
    """What the set holds: series -> (version, plan as text)."""
    kept = await queue.client().hgetall("wk:plan")
    return {int(series): (int(text.split(b":")[2]), text.decode()) for series, text in kept.items()}


def has_changed(plan: MonitorSchedule, kept: tuple[int, str] | None) -> bool:
    """Whether the set holds something else for this series than the database says."""
    return kept is None or kept[1] != _encode_schedule(plan)


async def find_misplaced(plans: Mapping[int, MonitorSchedule]) -> list[int]:
    """Series whose due time lies beyond their next slot: the clock was ahead, and is put right.

    Deadlines that lie too far ahead are moved to now on the way: a check in flight is given up as early as ever.
    """
    now = now_ms()
    usual_ms = FUTURE_TOLERANCE_MS + min((one.interval_ms for one in plans.values()), default=0)  # of cron series: 0
    async with queue.client().pipeline(transaction=False) as pipe:
        pipe.zrange("wk:flight", 0, -1, withscores=True)
        for part in range(PARTITIONS):
            pipe.zrangebyscore(f"wk:due:{part}", now + usual_ms, "+inf", withscores=True)
        flying, *due = await pipe.execute()
    deadlines = {int(series): int(at_ms) for series, at_ms in flying if int(series) in plans}
    for series in await _shorten_deadlines(deadlines, plans, now):
        deadlines[series] = now
    found = [(int(series), at_ms) for part in due for series, at_ms in part if int(series) in plans]
    return [
        series
        for series, at_ms in found
        if at_ms
        > now + FUTURE_TOLERANCE_MS + plans[series].interval_ms  # what is not is right: no need to work out its slots
        and at_ms > _latest_due_ms(plans[series], deadlines.get(series, 0), now)
    ]


def _latest_due_ms(plan: MonitorSchedule, deadline_ms: int, now: int) -> int:
    """Later than this no series is due: at its next slot, or when its check in flight is given up."""
    return max(
        slots.next_due(plan.series, plan, now + FUTURE_TOLERANCE_MS) or 0,
        deadline_ms + HELD_RECHECK_MS + FUTURE_TOLERANCE_MS,
    )


async def _shorten_deadlines(deadlines: Mapping[int, int], plans: Mapping[int, MonitorSchedule], now: int) -> list[int]:
    """Move deadlines to now that lie further ahead than any of their attempt may; returns whose."""
    usual = {series: plans[series].timeout_ms + GRACE_MS for series in deadlines}
    likely = [series for series, at_ms in deadlines.items() if at_ms > now + usual[series] + FUTURE_TOLERANCE_MS]
    if not likely:
        return []
    kept = await queue.client().hmget("wk:slot", likely)
    attempts = {series: int(text.split(b":")[1]) for series, text in zip(likely, kept, strict=True) if text}
    waits = {series: _lost_wait_ms(times) if times > 1 else usual[series] for series, times in attempts.items()}
    beyond = [series for series, wait_ms in waits.items() if deadlines[series] > now + wait_ms + FUTURE_TOLERANCE_MS]
    if beyond:
        await queue.client().zadd("wk:flight", dict.fromkeys(map(str, beyond), now), xx=True)
    return beyond


def _lost_wait_ms(attempt: int) -> int:
    """As `overdue` has it."""
    return int(min(LOST_RETRY_MS * 2 ** min(attempt - 2, 20), MAX_LOST_RETRY_MS))


async def count_unscheduled() -> int:
    """Series with a plan and no due time: 0, or the set is damaged."""
    async with queue.client().pipeline(transaction=True) as pipe:
        pipe.hlen("wk:plan")
        for part in range(PARTITIONS):
            pipe.zcard(f"wk:due:{part}")
        plans, *due = await pipe.execute()
    return int(plans) - sum(map(int, due))


async def list_late(by_ms: int) -> list[tuple[int, int]]:
    """(series, due time) of those whose due time passed more than `by_ms` ago; at most 1,000 a partition."""
    until = now_ms() - by_ms
    async with queue.client().pipeline(transaction=False) as pipe:
        for part in range(PARTITIONS):
            pipe.zrangebyscore(f"wk:due:{part}", "-inf", until, start=0, num=1_000, withscores=True)
        return [(int(series), int(at_ms)) for found in await pipe.execute() for series, at_ms in found]


async def list_stale() -> list[int]:
    """Series that were claimed, and of which no real result has come for two intervals since; at most 1,000.

    `overdue` notes them: whoever watches calls both.
    """
    found = await queue.client().zrangebyscore("wk:stale_at", "-inf", now_ms(), start=0, num=1_000)
    return [int(series) for series in found]


async def count_lost_slots() -> int:
    """How many slots were lost since Redis was made: each was queued twice, and no result came."""
    return int(await queue.client().get("wk:lost") or 0)


async def oldest_due_ms() -> int:
    """Epoch milliseconds of the earliest due time; 0 when nothing is scheduled."""
    async with queue.client().pipeline(transaction=False) as pipe:
        for part in range(PARTITIONS):
            pipe.zrange(f"wk:due:{part}", 0, 0, withscores=True)
        scores = [found[0][1] for found in await pipe.execute() if found]
    return int(min(scores, default=0))
