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


class MonitorState(msgspec.Struct, frozen=True):
    """Where a series stands: what the next check is judged against. As in the series' row.

    status            of the newest heartbeat; UNKNOWN before the first
    since_ms          when `status` began; of DOWN: when the outage began
    failing_since_ms  the first failing check of the running series of them
    retries           failing checks in a row, while nobody was told; at most `max_retries` + 1
    unsent            failing checks since the last notification; counted only while resending is on
    told_ms           the check that people were told down for; None: they believe it is up
    """

    status: Status = Status.UNKNOWN
    status_since_ms: int | None = None
    failing_since_ms: int | None = None
    retries: int = 0
    failures_since_alert: int = 0
    alerted_ms: int | None = None


class RetryPolicy(msgspec.Struct, frozen=True):
    """What the monitor's owner decided.

    max_retries      failing checks that are forgiven before the monitor counts as down
    resend_interval  tell again after every n further failing checks; 0: never
    """

    max_retries: int = 0
    resend_interval: int = 0
    upside_down: bool = False


class Evaluation(msgspec.Struct, frozen=True):
    """What one check led to.

    status      of its heartbeat
    standing    afterwards; the very object that went in when nothing changed
    important   an outage began or ended: the boundary of an incident
    tells       MONITOR_DOWN or MONITOR_UP: people must be told; down without `important` is a reminder
    started_ms  when the outage began, with `tells`
    notes       MONITOR_DEGRADED or MONITOR_UNKNOWN: the status became that. A fact for whoever listens; no message
    """

    status: Status
    state: MonitorState
    important: bool = False
    alert: EventKind | None = None
    started_ms: int | None = None
    event: EventKind | None = None


UNDECIDED = (Status.UNKNOWN, Status.PENDING)
STATUS_EVENTS = {Status.DEGRADED: EventKind.MONITOR_DEGRADED, Status.UNKNOWN: EventKind.MONITOR_UNKNOWN}


def judge(state: MonitorState, result: Status, at_ms: int, policy: RetryPolicy, *, in_maintenance: bool) -> Evaluation:
    """Weigh one outcome, in the order of slots.

    seen   UP, DEGRADED, DOWN, PENDING or UNKNOWN, as the probe saw it
    at_ms  the slot; epoch milliseconds
    """
    if policy.upside_down:
        result = INVERTED.get(result, result)
    if in_maintenance:
        return _in_maintenance(state, result, at_ms, policy)
    if result in UNDECIDED:
        return _without_alert(state, result, at_ms)
    if result == Status.DOWN:
        return _failed(state, at_ms, policy)
    return _passed(state, result, at_ms)


def _passed(standing: MonitorState, seen: Status, at_ms: int) -> Evaluation:
    if standing.failing_since_ms is None:
        return _without_alert(standing, seen, at_ms)
    fresh = MonitorState(seen, at_ms)
    if standing.alerted_ms is None:
        return Evaluation(seen, fresh, event=STATUS_EVENTS.get(seen))
    return Evaluation(seen, fresh, important=True, alert=EventKind.MONITOR_UP, started_ms=standing.failing_since_ms)


def _failed(standing: MonitorState, at_ms: int, rules: RetryPolicy) -> Evaluation:
    if standing.alerted_ms is not None:
        return _failed_again(standing, rules)
    started_ms = at_ms if standing.failing_since_ms is None else standing.failing_since_ms
    if standing.retries < rules.max_retries:
        since_ms = standing.status_since_ms if standing.status == Status.PENDING else at_ms
        return Evaluation(Status.PENDING, MonitorState(Status.PENDING, since_ms, started_ms, standing.retries + 1))
    down = MonitorState(Status.DOWN, started_ms, started_ms, alerted_ms=at_ms)
    return Evaluation(Status.DOWN, down, important=True, alert=EventKind.MONITOR_DOWN, started_ms=started_ms)


def _failed_again(standing: MonitorState, rules: RetryPolicy) -> Evaluation:
    """The outage was told: only a reminder may be due."""
    started_ms = standing.failing_since_ms
    unsent = standing.failures_since_alert + 1 if rules.resend_interval else 0
    due = rules.resend_interval > 0 and unsent >= rules.resend_interval
    if due:
        unsent = 0
    if standing.status != Status.DOWN or unsent != standing.failures_since_alert:
        standing = MonitorState(Status.DOWN, started_ms, started_ms, standing.retries, unsent, standing.alerted_ms)
    if not due:
        return Evaluation(Status.DOWN, standing)
    return Evaluation(Status.DOWN, standing, alert=EventKind.MONITOR_DOWN, started_ms=started_ms)


def _in_maintenance(standing: MonitorState, seen: Status, at_ms: int, rules: RetryPolicy) -> Evaluation:
    """Inside a window: count on, unless people believe it is down; that belief is put right after the window."""
    if standing.alerted_ms is None:
        standing = _count_result(standing, seen, at_ms, rules)
    return _without_alert(standing, Status.MAINTENANCE, at_ms)


def _count_result(standing: MonitorState, seen: Status, at_ms: int, rules: RetryPolicy) -> MonitorState:
    if seen == Status.DOWN:
        if standing.retries > rules.max_retries:
            return standing  # they are used up; the first check after the window tells
        started_ms = at_ms if standing.failing_since_ms is None else standing.failing_since_ms
        return MonitorState(standing.status, standing.status_since_ms, started_ms, standing.retries + 1)
    if seen in UNDECIDED or standing.failing_since_ms is None:
        return standing
    return MonitorState(standing.status, standing.status_since_ms)


def _without_alert(standing: MonitorState, status: Status, at_ms: int) -> Evaluation:
    """Nothing to tell: at most the status is another one now."""
    if standing.status == status and standing.status_since_ms is not None:
        return Evaluation(status, standing)
    notes = STATUS_EVENTS.get(status) if standing.status_since_ms is not None or status == Status.DEGRADED else None
    moved = MonitorState(
        status, at_ms, standing.failing_since_ms, standing.retries, standing.failures_since_alert, standing.alerted_ms
    )
    return Evaluation(status, moved, event=notes)
