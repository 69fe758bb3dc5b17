"""Decides what a check means for its monitor: the heartbeat's status, where the monitor stands, who must be told.

Pure: no clock, no database, no log. Outcomes come in the order of their slots; whoever calls sorts out older ones.

* A passing check is UP or DEGRADED, a failing one DOWN; `upside_down` swaps the two before anything else.
* `max_retries` failing checks in a row are PENDING; the next one is DOWN and is told. The outage began with the first
  of them. A passing check forgives them all.
* UNKNOWN is our own fault: it neither forgives nor counts, and nobody is told. PENDING (a push that is late, within its
  grace) does as little.
* Inside a maintenance window nobody is told. Failing checks still count, so that a target which is down when the window
  ends is told as down by the next check; an outage that was told before the window waits for a check after it.
* People hear down and up in turn: an outage that was told is told again only by `resend_interval`.
"""

import msgspec

from app.domain.monitoring.upside_down import INVERTED
from schema.events import EventKind
from schema.status import Status


class Standing(msgspec.Struct, frozen=True):
    """Where a series stands: what the next check is judged against. As in the series' row.

    status            of the newest heartbeat; UNKNOWN before the first
    since_ms          when `status` began; of DOWN: when the outage began
    failing_since_ms  the first failing check of the running series of them
    retries           failing checks in a row, while nobody was told; at most `max_retries` + 1
    unsent            failing checks since the last notification; counted only while resending is on
    told_ms           the check that people were told down for; None: they believe it is up
    """

    status: Status = Status.UNKNOWN
    since_ms: int | None = None
    failing_since_ms: int | None = None
    retries: int = 0
    unsent: int = 0
    told_ms: int | None = None


class Rules(msgspec.Struct, frozen=True):
    """What the monitor's owner decided.

    max_retries      failing checks that are forgiven before the monitor counts as down
    resend_interval  tell again after every n further failing checks; 0: never
    """

    max_retries: int = 0
    resend_interval: int = 0
    upside_down: bool = False


class Verdict(msgspec.Struct, frozen=True):
    """What one check led to.

    status      of its heartbeat
    standing    afterwards; the very object that went in when nothing changed
    important   an outage began or ended: the boundary of an incident
    tells       MONITOR_DOWN or MONITOR_UP: people must be told; down without `important` is a reminder
    started_ms  when the outage began, with `tells`
    notes       MONITOR_DEGRADED or MONITOR_UNKNOWN: the status became that. A fact for whoever listens; no message
    """

    status: Status
    standing: Standing
    important: bool = False
    tells: EventKind | None = None
    started_ms: int | None = None
    notes: EventKind | None = None


UNDECIDED = (Status.UNKNOWN, Status.PENDING)
NOTED = {Status.DEGRADED: EventKind.MONITOR_DEGRADED, Status.UNKNOWN: EventKind.MONITOR_UNKNOWN}


def judge(standing: Standing, seen: Status, at_ms: int, rules: Rules, *, in_maintenance: bool) -> Verdict:
    """Weigh one outcome, in the order of slots.

    seen   UP, DEGRADED, DOWN, PENDING or UNKNOWN, as the probe saw it
    at_ms  the slot; epoch milliseconds
    """
    if rules.upside_down:
        seen = INVERTED.get(seen, seen)
    if in_maintenance:
        return _hidden(standing, seen, at_ms, rules)
    if seen in UNDECIDED:
        return _quiet(standing, seen, at_ms)
    if seen == Status.DOWN:
        return _failed(standing, at_ms, rules)
    return _passed(standing, seen, at_ms)


def _passed(standing: Standing, seen: Status, at_ms: int) -> Verdict:
    if standing.failing_since_ms is None:
        return _quiet(standing, seen, at_ms)
    fresh = Standing(seen, at_ms)
    if standing.told_ms is None:
        return Verdict(seen, fresh, notes=NOTED.get(seen))
    return Verdict(seen, fresh, important=True, tells=EventKind.MONITOR_UP, started_ms=standing.failing_since_ms)


def _failed(standing: Standing, at_ms: int, rules: Rules) -> Verdict:
    if standing.told_ms is not None:
        return _failed_again(standing, rules)
    started_ms = at_ms if standing.failing_since_ms is None else standing.failing_since_ms
    if standing.retries < rules.max_retries:
        since_ms = standing.since_ms if standing.status == Status.PENDING else at_ms
        return Verdict(Status.PENDING, Standing(Status.PENDING, since_ms, started_ms, standing.retries + 1))
    down = Standing(Status.DOWN, started_ms, started_ms, told_ms=at_ms)
    return Verdict(Status.DOWN, down, important=True, tells=EventKind.MONITOR_DOWN, started_ms=started_ms)


def _failed_again(standing: Standing, rules: Rules) -> Verdict:
    """The outage was told: only a reminder may be due."""
    started_ms = standing.failing_since_ms
    unsent = standing.unsent + 1 if rules.resend_interval else 0
    due = rules.resend_interval > 0 and unsent >= rules.resend_interval
    if due:
        unsent = 0
    if standing.status != Status.DOWN or unsent != standing.unsent:
        standing = Standing(Status.DOWN, started_ms, started_ms, standing.retries, unsent, standing.told_ms)
    if not due:
        return Verdict(Status.DOWN, standing)
    return Verdict(Status.DOWN, standing, tells=EventKind.MONITOR_DOWN, started_ms=started_ms)


def _hidden(standing: Standing, seen: Status, at_ms: int, rules: Rules) -> Verdict:
    """Inside a window: count on, unless people believe it is down; that belief is put right after the window."""
    if standing.told_ms is None:
        standing = _counted(standing, seen, at_ms, rules)
    return _quiet(standing, Status.MAINTENANCE, at_ms)


def _counted(standing: Standing, seen: Status, at_ms: int, rules: Rules) -> Standing:
    if seen == Status.DOWN:
        if standing.retries > rules.max_retries:
            return standing  # they are used up; the first check after the window tells
        started_ms = at_ms if standing.failing_since_ms is None else standing.failing_since_ms
        return Standing(standing.status, standing.since_ms, started_ms, standing.retries + 1)
    if seen in UNDECIDED or standing.failing_since_ms is None:
        return standing
    return Standing(standing.status, standing.since_ms)


def _quiet(standing: Standing, status: Status, at_ms: int) -> Verdict:
    """Nothing to tell: at most the status is another one now."""
    if standing.status == status and standing.since_ms is not None:
        return Verdict(status, standing)
    notes = NOTED.get(status) if standing.since_ms is not None or status == Status.DEGRADED else None
    moved = Standing(status, at_ms, standing.failing_since_ms, standing.retries, standing.unsent, standing.told_ms)
    return Verdict(status, moved, notes=notes)
