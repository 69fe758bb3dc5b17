"""The due times of a series: a grid `phase(series) + k · interval`, or a cron expression's. Pure.

The grid spreads monitors over their interval, and is the same in every process. Cron slots are not spread: a cron
expression names the exact minute. A schedule with neither is never due: it is checked on demand.
"""

from collections.abc import Iterable
from itertools import islice, takewhile
from typing import Protocol

from app.domain.schedule import cron

GOLDEN = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: spreads consecutive numbers as evenly as possible
BITS = 64
MASK = (1 << BITS) - 1


class Schedule(Protocol):
    """How often something is due: by `cron` in `timezone` when there is one, else by the interval; 0 and "": never."""

    @property
    def interval_ms(self) -> int:
        """Milliseconds between two slots of the grid."""

    @property
    def cron(self) -> str:
        """Five fields."""

    @property
    def timezone(self) -> str:
        """The time zone of the cron expression."""


def phase_ms(series: int, interval_ms: int) -> int:
    """When within the interval a series is due: 0 <= phase < interval; it never changes."""
    return ((series * GOLDEN & MASK) * interval_ms) >> BITS


def next_slot(series: int, interval_ms: int, after_ms: int) -> int:
    """The first due time of the grid later than `after_ms`; epoch milliseconds."""
    phase = phase_ms(series, interval_ms)
    return phase + ((after_ms - phase) // interval_ms + 1) * interval_ms


def slots_between(series: int, interval_ms: int, from_ms: int, to_ms: int) -> range:
    """Every due time t of the grid with from_ms <= t < to_ms."""
    return range(next_slot(series, interval_ms, from_ms - 1), to_ms, interval_ms)


def next_due(series: int, schedule: Schedule, after_ms: int) -> int | None:
    """The first due time later than `after_ms`; None when there is none."""
    if schedule.cron:
        return cron.next_cron(schedule.cron, schedule.timezone, after_ms)
    return next_slot(series, schedule.interval_ms, after_ms) if schedule.interval_ms else None


def due_between(series: int, schedule: Schedule, from_ms: int, to_ms: int) -> Iterable[int]:
    """Every due time t with from_ms <= t < to_ms, in order."""
    if schedule.cron:
        return takewhile(lambda at_ms: at_ms < to_ms, cron.due_times(schedule.cron, schedule.timezone, from_ms - 1))
    return slots_between(series, schedule.interval_ms, from_ms, to_ms) if schedule.interval_ms else ()


def is_due(series: int, schedule: Schedule, at_ms: int) -> bool:
    """Whether there is a slot at exactly this millisecond."""
    return next_due(series, schedule, at_ms - 1) == at_ms


def is_scheduled(schedule: Schedule) -> bool:
    """Whether it is ever due; if not, it is checked on demand."""
    return bool(schedule.cron or schedule.interval_ms)


def upcoming_slots(schedule: Schedule, now_ms: int, count: int) -> list[int]:
    """A cron expression's newest slot up to now, if there is one, and the next `count`."""
    newest = cron.last_cron(schedule.cron, schedule.timezone, now_ms)
    upcoming = islice(cron.due_times(schedule.cron, schedule.timezone, now_ms), count)
    return [*([] if newest is None else [newest]), *upcoming]
