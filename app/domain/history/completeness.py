"""Checks that every due slot has exactly one heartbeat, or lies in a recorded gap. Pure.

A schedule period says from when on a series was due, by interval or by cron. Within two seconds of a period's boundary
either schedule may have been in force, so nothing is checked there. Early heartbeats (retries, run-now, pushes) lie
off the schedule and are allowed.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from app.domain.schedule.slots import due_between, is_due, is_scheduled

EDGE_MS = 2_000  # an edit takes effect within a second; the clocks of two machines differ by less than another
MAX_SCHEDULE_LAG_MS = 60_000  # with Redis away or the machine busy, the old schedule continues for at most this long


class SchedulePeriod(NamedTuple):
    """From `from_ms` on a series was due every `interval_ms`, or by `cron`; 0 and "": not at all."""

    from_ms: int
    interval_ms: int
    cron: str = ""
    timezone: str = "UTC"


class Gap(NamedTuple):
    """Slots without a check, both ends included."""

    from_ms: int
    to_ms: int


class Beat(NamedTuple):
    """A stored heartbeat; `early` ones lie off the grid."""

    at_ms: int
    early: bool


class SlotError(msgspec.Struct, frozen=True):
    """A missing slot, or a heartbeat where no slot was."""

    series: int
    at_ms: int
    kind: str  # missing or doubled


class Review(msgspec.Struct, frozen=True):
    """The review of a window of one series.

    slots   that were due     gaps  of these, in a recorded gap
    errors  every missing slot and doubled heartbeat
    """

    slots: int
    gaps: int
    errors: list[SlotError]


def review_series(
    series: int, periods: Sequence[SchedulePeriod], gaps: Iterable[Gap], beats: Sequence[Beat], window: range
) -> Review:
    """Compare the slots that were due with the stored heartbeats.

    periods  in order of time; the last one is still in force
    beats    of the window, in any order
    window   from_ms <= t < to_ms
    """
    due = [
        slot
        for first, end, period in _active_periods(periods, window)
        for slot in _due_slots(series, period, first, end, window)
    ]
    stored = {beat.at_ms for beat in beats}
    unchecked = [slot for slot in due if slot not in stored]
    merged = _merge_gaps(gaps)
    missing = [slot for slot in unchecked if not _covers(merged, slot)]
    doubled = [beat.at_ms for beat in beats if not beat.early and not _is_due(series, periods, beat.at_ms)]
    errors = [SlotError(series, at_ms, "missing") for at_ms in missing]
    errors += [SlotError(series, at_ms, "doubled") for at_ms in doubled]
    return Review(len(due), len(unchecked) - len(missing), errors)


def _active_periods(periods: Sequence[SchedulePeriod], window: range) -> Iterable[tuple[int, int, SchedulePeriod]]:
    """(first, end, period) of each active period, without its edges."""
    ends = [period.from_ms - EDGE_MS for period in periods[1:]] + [window.stop]
    for period, end_ms in zip(periods, ends, strict=True):
        if is_scheduled(period):
            yield period.from_ms + EDGE_MS, end_ms, period


def _due_slots(series: int, period: SchedulePeriod, first_ms: int, end_ms: int, window: range) -> Iterable[int]:
    return due_between(series, period, max(first_ms, window.start), min(end_ms, window.stop))


def _merge_gaps(gaps: Iterable[Gap]) -> list[Gap]:
    """Gaps in order; overlapping ones are merged."""
    merged: list[Gap] = []
    for gap in sorted(gaps):
        if merged and gap.from_ms <= merged[-1].to_ms:
            merged[-1] = Gap(merged[-1].from_ms, max(gap.to_ms, merged[-1].to_ms))
        else:
            merged.append(gap)
    return merged


def _covers(merged: Sequence[Gap], slot: int) -> bool:
    index = bisect_right(merged, slot, key=_start_ms) - 1
    return index >= 0 and slot <= merged[index].to_ms


def _start_ms(span: Gap | SchedulePeriod) -> int:
    return span.from_ms


def _is_due(series: int, periods: Sequence[SchedulePeriod], at_ms: int) -> bool:
    """Whether the schedule in force at that time has this slot; near a boundary everything counts as due.

    The previous schedule may have been in force a little longer: its slots count, but are not required.
    """
    index = bisect_right(periods, at_ms, key=_start_ms)
    nearby = periods[max(0, index - 1) : index + 1]
    if any(abs(period.from_ms - at_ms) <= EDGE_MS for period in nearby):
        return True
    if index == 0:
        return False
    in_force = [periods[index - 1]]
    if index > 1 and at_ms - periods[index - 1].from_ms <= MAX_SCHEDULE_LAG_MS:
        in_force.append(periods[index - 2])
    return any(is_due(series, period, at_ms) for period in in_force)
