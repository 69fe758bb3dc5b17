"""Decides what a check result means for its monitor: the heartbeat's status and message, the state, whether to alert.

Pure: no clock, no database, no log. Results come in the order of their slots; the caller sorts out older ones.

* A passing check is UP or DEGRADED, a failing one DOWN; `upside_down` swaps the two before anything else.
* `max_retries` failing checks in a row are PENDING; the next one is DOWN and alerts. The outage began with the first of
  them. A passing check resets the count.
* UNKNOWN is our own failure: it neither resets nor counts, and does not alert. PENDING (a push that is late, within its
  grace) neither.
* Inside a maintenance window nothing alerts. Failing checks still count, so that the next check after the window alerts
  if the target is down; an outage that was alerted before the window waits for a check after it.
* Alerts alternate between down and up: an outage that was alerted is repeated only by `resend_interval`.
* *Degraded* and *unknown* that were announced by an event end once: with the first status that rules them out.
"""

import msgspec

from app.domain.parsing.plain_text import truncate
from schema.events import EventKind
from schema.heartbeat_texts import INFORMATIONAL, heartbeat_text
from schema.status import Status


class MonitorState(msgspec.Struct, frozen=True):
    """The state of a series, which the next check is judged against. As in the series' row.

    status                of the newest heartbeat; UNKNOWN before the first
    status_since_ms       when `status` began; of DOWN: when the outage began
    failing_since_ms      the first of the current failing checks in a row
    retries               failing checks in a row before an alert; at most `max_retries` + 1
    failures_since_alert  failing checks since the last alert; counted only with a `resend_interval`
    alerted_ms            the check that alerted down; None: no down is open
    degraded_ms           the check that announced *degraded*; None: that is over
    unknown_ms            the same of *unknown*
    """

    status: Status = Status.UNKNOWN
    status_since_ms: int | None = None
    failing_since_ms: int | None = None
    retries: int = 0
    failures_since_alert: int = 0
    alerted_ms: int | None = None
    degraded_ms: int | None = None
    unknown_ms: int | None = None


class RetryPolicy(msgspec.Struct, frozen=True):
    """The monitor's settings for retries and reminders.

    max_retries      failing checks in a row before the monitor counts as down
    resend_interval  alert again after every n further failing checks; 0: never
    """

    max_retries: int = 0
    resend_interval: int = 0
    upside_down: bool = False


class Evaluation(msgspec.Struct, frozen=True):
    """The outcome of one check.

    status      of its heartbeat
    state       afterwards; the same object when nothing changed
    important   an outage began or ended: the boundary of an incident
    alert       MONITOR_DOWN or MONITOR_UP; down without `important` is a reminder
    started_ms  when the outage began, with `alert`
    event       MONITOR_DEGRADED or MONITOR_UNKNOWN: the status changed to that. An event for subscribers, no alert
    cleared     which of these are over now, and since when they lasted
    """

    status: Status
    state: MonitorState
    important: bool = False
    alert: EventKind | None = None
    started_ms: int | None = None
    event: EventKind | None = None
    cleared: tuple[tuple[Status, int], ...] = ()


MAX_MESSAGE_CHARS = 500  # as of any heartbeat's message
PASSING = frozenset({Status.UP, Status.DEGRADED})
FAILING = frozenset({Status.DOWN, Status.PENDING})
INVERTED = {Status.UP: Status.DOWN, Status.DEGRADED: Status.DOWN, Status.DOWN: Status.UP}
UNDECIDED = (Status.UNKNOWN, Status.PENDING)
STATUS_EVENTS = {Status.DEGRADED: EventKind.MONITOR_DEGRADED, Status.UNKNOWN: EventKind.MONITOR_UNKNOWN}
RULED_OUT: dict[Status, frozenset[Status]] = {  # a monitor's status → what it is not any more
    Status.UP: frozenset({Status.DEGRADED, Status.UNKNOWN}),
    Status.DOWN: frozenset({Status.DEGRADED, Status.UNKNOWN}),
    Status.DEGRADED: frozenset({Status.UNKNOWN}),
    Status.PENDING: frozenset({Status.UNKNOWN}),  # the next checks tell whether it is still degraded
    Status.UNKNOWN: frozenset(),
    Status.MAINTENANCE: frozenset(),  # nothing is announced before a check after the window
}


def judge(state: MonitorState, result: Status, at_ms: int, policy: RetryPolicy, *, in_maintenance: bool) -> Evaluation:
    """Evaluate one result.

    result  UP, DEGRADED, DOWN, PENDING or UNKNOWN, as the probe returned it
    at_ms   the slot; epoch milliseconds
    """
    if policy.upside_down:
        result = INVERTED.get(result, result)
    if in_maintenance:
        evaluation = _in_maintenance(state, result, at_ms, policy)
    elif result in UNDECIDED:
        evaluation = _without_alert(state, result, at_ms)
    elif result == Status.DOWN:
        evaluation = _failed(state, at_ms, policy)
    else:
        evaluation = _passed(state, result, at_ms)
    if evaluation.state is state or (evaluation.event or state.degraded_ms or state.unknown_ms) is None:
        return evaluation
    return _with_conditions(state, evaluation, at_ms)


def _with_conditions(before: MonitorState, evaluation: Evaluation, at_ms: int) -> Evaluation:
    """Carry over which of *degraded* and *unknown* are announced, and end what the new status rules out."""
    announced = {Status.DEGRADED: before.degraded_ms, Status.UNKNOWN: before.unknown_ms}
    for status, kind in STATUS_EVENTS.items():
        if evaluation.event is kind and announced[status] is None:
            announced[status] = at_ms
    ruled_out = RULED_OUT[evaluation.status]
    cleared = tuple(
        (status, since_ms) for status, since_ms in announced.items() if since_ms is not None and status in ruled_out
    )
    announced |= dict.fromkeys(ruled_out)
    state = msgspec.structs.replace(
        evaluation.state, degraded_ms=announced[Status.DEGRADED], unknown_ms=announced[Status.UNKNOWN]
    )
    return msgspec.structs.replace(evaluation, state=state, cleared=cleared)


def _passed(state: MonitorState, result: Status, at_ms: int) -> Evaluation:
    if state.failing_since_ms is None:
        return _without_alert(state, result, at_ms)
    passing = MonitorState(result, at_ms)
    if state.alerted_ms is None:
        return Evaluation(result, passing, event=STATUS_EVENTS.get(result))
    return Evaluation(result, passing, important=True, alert=EventKind.MONITOR_UP, started_ms=state.failing_since_ms)


def _failed(state: MonitorState, at_ms: int, policy: RetryPolicy) -> Evaluation:
    if state.alerted_ms is not None:
        return _failed_again(state, policy)
    started_ms = at_ms if state.failing_since_ms is None else state.failing_since_ms
    if state.retries < policy.max_retries:
        since_ms = state.status_since_ms if state.status == Status.PENDING else at_ms
        return Evaluation(Status.PENDING, MonitorState(Status.PENDING, since_ms, started_ms, state.retries + 1))
    down = MonitorState(Status.DOWN, started_ms, started_ms, alerted_ms=at_ms)
    return Evaluation(Status.DOWN, down, important=True, alert=EventKind.MONITOR_DOWN, started_ms=started_ms)


def _failed_again(state: MonitorState, policy: RetryPolicy) -> Evaluation:
    """The outage was alerted: at most a reminder is due."""
    started_ms = state.failing_since_ms
    failures = state.failures_since_alert + 1 if policy.resend_interval else 0
    is_due = policy.resend_interval > 0 and failures >= policy.resend_interval
    if is_due:
        failures = 0
    if state.status != Status.DOWN or failures != state.failures_since_alert:
        state = MonitorState(Status.DOWN, started_ms, started_ms, state.retries, failures, state.alerted_ms)
    if not is_due:
        return Evaluation(Status.DOWN, state)
    return Evaluation(Status.DOWN, state, alert=EventKind.MONITOR_DOWN, started_ms=started_ms)


def _in_maintenance(state: MonitorState, result: Status, at_ms: int, policy: RetryPolicy) -> Evaluation:
    """Keep counting, unless an alert is open; a check after the window closes that."""
    if state.alerted_ms is None:
        state = _count_result(state, result, at_ms, policy)
    return _without_alert(state, Status.MAINTENANCE, at_ms)


def _count_result(state: MonitorState, result: Status, at_ms: int, policy: RetryPolicy) -> MonitorState:
    if result == Status.DOWN:
        if state.retries > policy.max_retries:
            return state  # the retries are used up; the first check after the window alerts
        started_ms = at_ms if state.failing_since_ms is None else state.failing_since_ms
        return MonitorState(state.status, state.status_since_ms, started_ms, state.retries + 1)
    if result in UNDECIDED or state.failing_since_ms is None:
        return state
    return MonitorState(state.status, state.status_since_ms)


def _without_alert(state: MonitorState, status: Status, at_ms: int) -> Evaluation:
    """Change the status at most."""
    if state.status == status and state.status_since_ms is not None:
        return Evaluation(status, state)
    event = STATUS_EVENTS.get(status) if state.status_since_ms is not None or status == Status.DEGRADED else None
    changed = MonitorState(
        status, at_ms, state.failing_since_ms, state.retries, state.failures_since_alert, state.alerted_ms
    )
    return Evaluation(status, changed, event=event)


def heartbeat_message(status: Status, result: Status, message: str, code: int) -> str:
    """A heartbeat's message: its own, or that of its code; with an explanation where it says the opposite.

    status    of the heartbeat
    result    of the probe; only for an upside-down monitor does one pass and the other fail
    """
    text = message or heartbeat_text(code)
    if code in INFORMATIONAL:  # they fit any status
        return text
    if result in PASSING and status in FAILING:
        return _with_meaning("answered, and should not", text)
    if result is Status.DOWN and status is Status.UP:
        return _with_meaning("failed, as it should", text)
    return text


def _with_meaning(meaning: str, text: str) -> str:
    return truncate(f"{meaning}: {text}", MAX_MESSAGE_CHARS) if text else meaning
