"""The due times of a series: a grid `phase(series) + k · interval`, or a cron expression's. Pure.

The grid spreads monitors over their interval, and every process agrees on it. Who asked for cron asked for that very
minute, so cron slots are not spread. A rhythm with neither is never due: it is checked on demand.
"""

from collections.abc import Iterable
from itertools import islice, takewhile
from typing import Protocol

from app.domain.schedule import cron

GOLDEN = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: consecutive numbers land as far apart as can be
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
        """Where the cron expression's clock hangs."""


def phase_ms(series: int, interval_ms: int) -> int:
    """Where in the interval a series is due: 0 <= phase < interval, the same for ever."""
    return ((series * GOLDEN & MASK) * interval_ms) >> BITS


def next_slot(series: int, interval_ms: int, after_ms: int) -> int:
    """The first due time of the grid later than `after_ms`; epoch milliseconds."""
    phase = phase_ms(series, interval_ms)
    return phase + ((after_ms - phase) // interval_ms + 1) * interval_ms


def slots_between(series: int, interval_ms: int, from_ms: int, to_ms: int) -> range:
    """Every due time t of the grid with from_ms <= t < to_ms."""
    return range(next_slot(series, interval_ms, from_ms - 1), to_ms, interval_ms)


def next_due(series: int, rhythm: Schedule, after_ms: int) -> int | None:
    """The first due time later than `after_ms`; None when there is none."""
    if rhythm.cron:
        return cron.next_cron(rhythm.cron, rhythm.timezone, after_ms)
    return next_slot(series, rhythm.interval_ms, after_ms) if rhythm.interval_ms else None


def due_between(series: int, rhythm: Schedule, from_ms: int, to_ms: int) -> Iterable[int]:
    """Every due time t with from_ms <= t < to_ms, in order."""
    if rhythm.cron:
        return takewhile(lambda at_ms: at_ms < to_ms, cron.due_times(rhythm.cron, rhythm.timezone, from_ms - 1))
    return slots_between(series, rhythm.interval_ms, from_ms, to_ms) if rhythm.interval_ms else ()


def is_due(series: int, rhythm: Schedule, at_ms: int) -> bool:
    """Whether there is a slot at this very millisecond."""
    return next_due(series, rhythm, at_ms - 1) == at_ms


def is_scheduled(rhythm: Schedule) -> bool:
    """Whether it is ever due by itself; if not, it is checked on demand."""
    return bool(rhythm.cron or rhythm.interval_ms)


def upcoming_slots(rhythm: Schedule, now_ms: int, count: int) -> list[int]:
    """A cron expression's newest slot that is not later than now, when there is one, and `count` after it."""
    newest = cron.last_cron(rhythm.cron, rhythm.timezone, now_ms)
    upcoming = islice(cron.due_times(rhythm.cron, rhythm.timezone, now_ms), count)
    return [*([] if newest is None else [newest]), *upcoming]
