"""What a stretch of time came to: checks and milliseconds per status, latencies, uptime. Pure.

A heartbeat's status holds until the next heartbeat, and no longer than the interval then in force, or until the next
cron slot: what nobody checked is not observed. Uptime is up / (up + down) of the observed time; pending and degraded
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


def tally_beats(beats: Sequence[TimedBeat], eras: Sequence[SchedulePeriod], window: range) -> Tally:
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
    return Tally(tuple(counts), _ms_per_status(beats, eras, window), round(sum_us / 1_000), sketch)


def _ms_per_status(beats: Sequence[TimedBeat], eras: Sequence[SchedulePeriod], window: range) -> tuple[int, ...]:
    """Milliseconds of the window per status."""
    if not beats:
        return ZEROS
    held = [0] * STATUSES
    ends_ms = [beat.at_ms for beat in beats[1:]] + [window.stop]
    steady_ms = eras[-1].interval_ms if eras and eras[-1].from_ms <= beats[0].at_ms else 0
    for (at_ms, status, _), next_ms in zip(beats, ends_ms, strict=True):
        end_ms = min(next_ms, window.stop, at_ms + steady_ms if steady_ms else _status_ends_ms(at_ms, eras))
        held[status] += max(0, end_ms - max(at_ms, window.start))
    return tuple(held)


def _status_ends_ms(at_ms: int, eras: Sequence[SchedulePeriod]) -> int:
    """Until when a status may hold: one interval or cron slot, or until the series was paused."""
    current = SchedulePeriod(0, 0)
    for era in eras:
        if era.from_ms <= at_ms:
            current = era
        elif not is_scheduled(era):
            return min(_slot_ends_ms(current, at_ms), era.from_ms)
    return _slot_ends_ms(current, at_ms)


def _slot_ends_ms(era: SchedulePeriod, at_ms: int) -> int:
    if era.cron:
        return next_cron(era.cron, era.timezone, at_ms) or at_ms
    return at_ms + era.interval_ms


def merge_tallies(tallies: Iterable[Tally]) -> Tally:
    """Several stretches as one."""
    counts, held, sum_ms = [0] * STATUSES, [0] * STATUSES, 0
    sketch: Sketch = {}
    for one in tallies:
        for status in range(STATUSES):
            counts[status] += one.counts[status]
            held[status] += one.ms[status]
        sum_ms += one.sum_ms
        merge_sketch(sketch, one.sketch)
    return Tally(tuple(counts), tuple(held), sum_ms, sketch)


def uptime_share(one: Tally) -> float | None:
    """Share of the observed time in which it was up, 0 to 1; None when nothing that counts was observed."""
    up_ms = sum(one.ms[status] for status in COUNTED_AS_UP)
    counted_ms = up_ms + one.ms[Status.DOWN]
    return up_ms / counted_ms if counted_ms else None


def mean_latency_ms(one: Tally) -> float | None:
    """Mean latency in milliseconds, exact but for rounding the sum to one; None without latencies."""
    count = sum(one.sketch.values())
    return one.sum_ms / count if count else None
