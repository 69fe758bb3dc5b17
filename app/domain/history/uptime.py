"""Sums up a window of time: checks and milliseconds per status, latencies, uptime. Pure.

A heartbeat's status holds until the next heartbeat, but no longer than the interval then in force, or until the next
cron slot: time without checks is not observed. Uptime is up / (up + down) of the observed time; pending and degraded
count as up, maintenance and unknown not at all.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from app.domain.history.completeness import SchedulePeriod
from app.domain.history.latency_histogram import Sketch, bucket_of, merge_sketch
from app.domain.schedule.cron import next_cron
from app.domain.schedule.slots import is_scheduled
from schema.status import Status

STATUSES = len(Status)
ZEROS = (0,) * STATUSES
PASSING = (Status.UP, Status.DEGRADED)
COUNTED_AS_UP = (*PASSING, Status.PENDING)


class TimedBeat(NamedTuple):
    """A heartbeat's slot, status and latency."""

    at_ms: int
    status: int
    took_us: int


class Tally(msgspec.Struct, frozen=True):
    """A window of one series.

    counts   checks per status (by its integer)      ms  observed milliseconds per status
    sum_ms   of the latencies in the sketch: passing checks that measured one
    """

    counts: Sequence[int] = ZEROS
    ms: Sequence[int] = ZEROS
    sum_ms: int = 0
    sketch: Sketch = {}

    @property
    def observed_ms(self) -> int:
        """The observed time."""
        return sum(self.ms)


def tally_beats(beats: Sequence[TimedBeat], periods: Sequence[SchedulePeriod], window: range) -> Tally:
    """Sum up a window.

    beats    in order of time, all of the window and the last one before it, whose status reaches into it
    periods  in order of time: until when a status holds at most
    window   from_ms <= t < to_ms
    """
    counts, sum_us = [0] * STATUSES, 0
    sketch: Sketch = {}
    for at_ms, status, took_us in beats:
        if at_ms < window.start:
            continue
        counts[status] += 1
        if took_us and status in PASSING:
            sum_us += took_us
            bucket = bucket_of(took_us)
            sketch[bucket] = sketch.get(bucket, 0) + 1
    return Tally(tuple(counts), _ms_per_status(beats, periods, window), round(sum_us / 1_000), sketch)


def _ms_per_status(beats: Sequence[TimedBeat], periods: Sequence[SchedulePeriod], window: range) -> tuple[int, ...]:
    """Milliseconds of the window per status."""
    if not beats:
        return ZEROS
    ms = [0] * STATUSES
    ends_ms = [beat.at_ms for beat in beats[1:]] + [window.stop]
    steady_ms = periods[-1].interval_ms if periods and periods[-1].from_ms <= beats[0].at_ms else 0
    for (at_ms, status, _), next_ms in zip(beats, ends_ms, strict=True):
        end_ms = min(next_ms, window.stop, at_ms + steady_ms if steady_ms else _status_ends_ms(at_ms, periods))
        ms[status] += max(0, end_ms - max(at_ms, window.start))
    return tuple(ms)


def _status_ends_ms(at_ms: int, periods: Sequence[SchedulePeriod]) -> int:
    """Until when a status may hold: for one interval or cron slot, or until the series was paused."""
    current = SchedulePeriod(0, 0)
    for period in periods:
        if period.from_ms <= at_ms:
            current = period
        elif not is_scheduled(period):
            return min(_slot_ends_ms(current, at_ms), period.from_ms)
    return _slot_ends_ms(current, at_ms)


def _slot_ends_ms(period: SchedulePeriod, at_ms: int) -> int:
    if period.cron:
        return next_cron(period.cron, period.timezone, at_ms) or at_ms
    return at_ms + period.interval_ms


def merge_tallies(tallies: Iterable[Tally]) -> Tally:
    """Several windows as one."""
    counts, ms, sum_ms = [0] * STATUSES, [0] * STATUSES, 0
    sketch: Sketch = {}
    for tally in tallies:
        for status in range(STATUSES):
            counts[status] += tally.counts[status]
            ms[status] += tally.ms[status]
        sum_ms += tally.sum_ms
        merge_sketch(sketch, tally.sketch)
    return Tally(tuple(counts), tuple(ms), sum_ms, sketch)


def uptime_share(tally: Tally) -> float | None:
    """The share of the counted time in which it was up, 0 to 1; None when no time counts."""
    up_ms = sum(tally.ms[status] for status in COUNTED_AS_UP)
    counted_ms = up_ms + tally.ms[Status.DOWN]
    return up_ms / counted_ms if counted_ms else None


def mean_latency_ms(tally: Tally) -> float | None:
    """The mean latency in milliseconds, exact except that the sum is rounded; None without latencies."""
    count = sum(tally.sketch.values())
    return tally.sum_ms / count if count else None
