"""What a stretch of time came to: checks and milliseconds per status, latencies, uptime. Pure.

A heartbeat's status holds until the next heartbeat, and no longer than the interval then in force, or until the next
cron slot: what nobody checked is not observed. Uptime is up / (up + down) of the observed time; pending and degraded
count as up, maintenance and unknown not at all.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from app.domain.history.completeness import Era
from app.domain.history.latency_histogram import Sketch, bucket_of, merge
from app.domain.schedule.cron import next_cron
from app.domain.schedule.slots import is_scheduled
from schema.status import Status

STATUSES = len(Status)
ZEROS = (0,) * STATUSES
PASSING = (Status.UP, Status.DEGRADED)
UP = (*PASSING, Status.PENDING)


class Timed(NamedTuple):
    """A heartbeat, as far as time and latency go."""

    at_ms: int
    status: int
    took_us: int


class Tally(msgspec.Struct, frozen=True):
    """A stretch of one series.

    counts   checks per status (by its integer)      ms  observed milliseconds per status
    sum_ms   of the latencies in the sketch: passing checks that measured one
    """

    counts: Sequence[int] = ZEROS
    ms: Sequence[int] = ZEROS
    sum_ms: int = 0
    sketch: Sketch = {}

    @property
    def observed_ms(self) -> int:
        """How much of the time somebody looked."""
        return sum(self.ms)


def tally(beats: Sequence[Timed], eras: Sequence[Era], window: range) -> Tally:
    """Sum up a window.

    beats   in order of time, all of the window and the last one before it, whose status reaches into it
    eras    in order of time: until when a status holds at most
    window  from_ms <= t < to_ms
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
    return Tally(tuple(counts), _held(beats, eras, window), round(sum_us / 1_000), sketch)


def _held(beats: Sequence[Timed], eras: Sequence[Era], window: range) -> tuple[int, ...]:
    """Milliseconds of the window per status."""
    if not beats:
        return ZEROS
    held = [0] * STATUSES
    ends_ms = [beat.at_ms for beat in beats[1:]] + [window.stop]
    steady_ms = eras[-1].interval_ms if eras and eras[-1].from_ms <= beats[0].at_ms else 0
    for (at_ms, status, _), next_ms in zip(beats, ends_ms, strict=True):
        end_ms = min(next_ms, window.stop, at_ms + steady_ms if steady_ms else _until(at_ms, eras))
        held[status] += max(0, end_ms - max(at_ms, window.start))
    return tuple(held)


def _until(at_ms: int, eras: Sequence[Era]) -> int:
    """Until when a status may hold: one interval or cron slot, or until the series was paused."""
    current = Era(0, 0)
    for era in eras:
        if era.from_ms <= at_ms:
            current = era
        elif not is_scheduled(era):
            return min(_held_by(current, at_ms), era.from_ms)
    return _held_by(current, at_ms)


def _held_by(era: Era, at_ms: int) -> int:
    if era.cron:
        return next_cron(era.cron, era.timezone, at_ms) or at_ms
    return at_ms + era.interval_ms


def merged(tallies: Iterable[Tally]) -> Tally:
    """Several stretches as one."""
    counts, held, sum_ms = [0] * STATUSES, [0] * STATUSES, 0
    sketch: Sketch = {}
    for one in tallies:
        for status in range(STATUSES):
            counts[status] += one.counts[status]
            held[status] += one.ms[status]
        sum_ms += one.sum_ms
        merge(sketch, one.sketch)
    return Tally(tuple(counts), tuple(held), sum_ms, sketch)


def uptime(one: Tally) -> float | None:
    """Share of the observed time in which it was up, 0 to 1; None when nothing that counts was observed."""
    up_ms = sum(one.ms[status] for status in UP)
    counted_ms = up_ms + one.ms[Status.DOWN]
    return up_ms / counted_ms if counted_ms else None


def mean_ms(one: Tally) -> float | None:
    """Mean latency in milliseconds, exact but for rounding the sum to one; None without latencies."""
    count = sum(one.sketch.values())
    return one.sum_ms / count if count else None
