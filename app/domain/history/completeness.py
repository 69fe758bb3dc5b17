"""Checks that every due slot has exactly one heartbeat, or lies in a recorded gap. Pure.

An era says from when on a series was due how often, by interval or by cron. Within two seconds of an era's boundary
either schedule may have been in force, so nothing is asked there. Early heartbeats (retries, run-now, pushes) lie off
the schedule and are allowed.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from app.domain.schedule.slots import due_between, is_due, is_scheduled

EDGE_MS = 2_000  # an edit takes effect within a second; clocks of two machines differ by less than another
MAX_SCHEDULE_LAG_MS = (
    60_000  # while Redis is away, or the machine busy, the schedule goes on as it was; no longer than this
)


class SchedulePeriod(NamedTuple):
    """From `from_ms` on a series was due every `interval_ms`, or by `cron`; 0 and "": not at all."""

    from_ms: int
    interval_ms: int
    cron: str = ""
    timezone: str = "UTC"


class Gap(NamedTuple):
    """Slots that nobody checked, both ends included."""

    from_ms: int
    to_ms: int


class Beat(NamedTuple):
    """A stored heartbeat; `early` ones lie off the grid."""

    at_ms: int
    early: bool


class SlotError(msgspec.Struct, frozen=True):
    """One slot that is missing, or one heartbeat that lies where no slot was."""

    series: int
    at_ms: int
    kind: str  # missing or doubled


class Review(msgspec.Struct, frozen=True):
    """What a stretch of one series' history holds.

    slots  that were due     gaps  of these, excused by a recorded gap
    flaws  every missing slot and doubled heartbeat
    """

    slots: int
    gaps: int
    errors: list[SlotError]


def review_series(
    series: int, eras: Sequence[SchedulePeriod], gaps: Iterable[Gap], beats: Sequence[Beat], window: range
) -> Review:
    """Compare what was due with what there is.

    eras    in order of time; the last one is still in force
    beats   of the window, in any order
    window  from_ms <= t < to_ms
    """
    due = [
        slot
        for first, end, era in _active_periods(eras, window)
        for slot in _due_slots(series, era, first, end, window)
    ]
    there = {beat.at_ms for beat in beats}
    absent = [slot for slot in due if slot not in there]
    united = _merge_gaps(gaps)
    missing = [slot for slot in absent if not _covers(united, slot)]
    strange = [beat.at_ms for beat in beats if not beat.early and not _is_due(series, eras, beat.at_ms)]
    flaws = [SlotError(series, at_ms, "missing") for at_ms in missing]
    flaws += [SlotError(series, at_ms, "doubled") for at_ms in strange]
    return Review(len(due), len(absent) - len(missing), flaws)


def _active_periods(eras: Sequence[SchedulePeriod], window: range) -> Iterable[tuple[int, int, SchedulePeriod]]:
    """(first, end, era) of each active era, its edges taken off."""
    ends = [era.from_ms - EDGE_MS for era in eras[1:]] + [window.stop]
    for era, end_ms in zip(eras, ends, strict=True):
        if is_scheduled(era):
            yield era.from_ms + EDGE_MS, end_ms, era


def _due_slots(series: int, era: SchedulePeriod, first_ms: int, end_ms: int, window: range) -> Iterable[int]:
    return due_between(series, era, max(first_ms, window.start), min(end_ms, window.stop))


def _merge_gaps(gaps: Iterable[Gap]) -> list[Gap]:
    """Gaps in order, those that touch made one."""
    united: list[Gap] = []
    for gap in sorted(gaps):
        if united and gap.from_ms <= united[-1].to_ms:
            united[-1] = Gap(united[-1].from_ms, max(gap.to_ms, united[-1].to_ms))
        else:
            united.append(gap)
    return united


def _covers(united: Sequence[Gap], slot: int) -> bool:
    found = bisect_right(united, slot, key=_start_ms) - 1
    return found >= 0 and slot <= united[found].to_ms


def _start_ms(part: Gap | SchedulePeriod) -> int:
    return part.from_ms


def _is_due(series: int, eras: Sequence[SchedulePeriod], at_ms: int) -> bool:
    """Whether the schedule then in force has this slot; near a boundary everything counts as due.

    The one before may have been in force a little longer: its slots count, and nobody misses them.
    """
    found = bisect_right(eras, at_ms, key=_start_ms)
    nearby = eras[max(0, found - 1) : found + 1]
    if any(abs(era.from_ms - at_ms) <= EDGE_MS for era in nearby):
        return True
    if found == 0:
        return False
    in_force = [eras[found - 1]]
    if found > 1 and at_ms - eras[found - 1].from_ms <= MAX_SCHEDULE_LAG_MS:
        in_force.append(eras[found - 2])
    return any(is_due(series, era, at_ms) for era in in_force)
