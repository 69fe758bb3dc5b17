"""Decides the status of a push monitor at an instant, from the reports received. Pure: no clock, no database.

A report is expected one interval after the one before, or at the next time of a cron expression. A grace follows:
within it the monitor is late (PENDING), after it DOWN. The status depends only on the newest report and the newest
start, so it is the same after a restart; `recheck_ms` says when to check again, so that a change is noticed in time.
"""

import msgspec

from app.domain.schedule.cron import last_cron, next_cron
from schema.status import Status

DEFAULT_GRACE_SHARE = 0.1  # of the interval, or of the time until the next cron slot: jobs are sometimes late
MIN_GRACE_MS = 2_000
LATE_AFTER_MS = 60_000  # of a configured grace, at most this passes before the monitor is shown as late
EARLY_REPORT_MS = 5_000  # a report this long before a cron slot counts for it: clocks differ
SHORT_INTERVAL_MS = 600_000  # up to this interval, the next report is awaited after a blind period
CLIENT_RETRY_MS = 60_000  # clients retry a failed report within this time, and give up after it
NO_RECHECK_BELOW_MS = 300_000  # a shorter interval without a configured grace is checked often enough


class PushSchedule(msgspec.Struct, frozen=True):
    """When reports are expected.

    grace_ms  as configured; None: a tenth of the interval, without being late within it
    """

    interval_ms: int = 0
    cron: str = ""
    timezone: str = "UTC"
    grace_ms: int | None = None


class ReceivedReports(msgspec.Struct, frozen=True):
    """The newest reports; epoch milliseconds, 0 for none.

    report_ms      the newest report; negative when it reported a failure
    started_ms     the newest start of a run
    since_ms       since when the monitor is active
    blind_periods  (from, to) of each time in which no report could be received: a standstill, or a clock jump
    """

    report_ms: int = 0
    started_ms: int = 0
    since_ms: int = 0
    blind_periods: tuple[tuple[int, int], ...] = ()


class PushStatus(msgspec.Struct, frozen=True):
    """UP, PENDING (late), DOWN or UNKNOWN (no report yet).

    recheck_ms  when it may change by itself; 0: not before the next slot
    """

    status: Status
    reason: str = ""
    recheck_ms: int = 0


def evaluate(reports: ReceivedReports, schedule: PushSchedule, at_ms: int) -> PushStatus:
    """The status at an instant. A report that could not be received does not count as missing."""
    if reports.report_ms < 0:
        return PushStatus(Status.DOWN, "the last push reported down")
    status = _evaluate_reports(reports, schedule, at_ms)
    until_ms = _excused_ms(reports, schedule, at_ms) if status.status is Status.DOWN and reports.blind_periods else 0
    if until_ms < at_ms:
        return status
    return PushStatus(Status.UNKNOWN, f"pushes could not be received for a while ({status.reason})", until_ms + 1)


def _evaluate_reports(reports: ReceivedReports, schedule: PushSchedule, at_ms: int) -> PushStatus:
    status, deadline_ms = _by_schedule(reports, schedule, at_ms), _run_deadline_ms(reports, schedule)
    if not deadline_ms or status.status is Status.DOWN:
        return status
    if at_ms > deadline_ms:
        return PushStatus(Status.DOWN, f"started, but did not finish within {_format_seconds(schedule.grace_ms or 0)}")
    return msgspec.structs.replace(status, recheck_ms=min(status.recheck_ms or deadline_ms + 1, deadline_ms + 1))


def oldest_relevant_ms(schedule: PushSchedule, at_ms: int) -> int:
    """Reports and starts older than this do not affect the status at `at_ms`; 0: all may."""
    if not schedule.cron:
        return at_ms - schedule.interval_ms - _tolerance_and_grace_ms(schedule, at_ms)[1] if schedule.interval_ms else 0
    if schedule.grace_ms is not None:
        slot_ms = last_cron(schedule.cron, schedule.timezone, at_ms - schedule.grace_ms - 1)
    else:
        slot_ms = last_cron(schedule.cron, schedule.timezone, at_ms)
        if slot_ms is not None and at_ms <= slot_ms + _tolerance_and_grace_ms(schedule, slot_ms)[1]:
            slot_ms = last_cron(schedule.cron, schedule.timezone, slot_ms - 1)
    return 0 if slot_ms is None else slot_ms - EARLY_REPORT_MS


def _by_schedule(reports: ReceivedReports, schedule: PushSchedule, at_ms: int) -> PushStatus:
    """By the newest report; after a change or a resume the first report has the same time."""
    reported = _status_after(reports.report_ms, schedule, at_ms, PushStatus(Status.UP)) if reports.report_ms else None
    if reported is not None and reported.status is not Status.DOWN:
        return reported
    first = _status_after(reports.since_ms, schedule, at_ms, PushStatus(Status.UNKNOWN, "waiting for the first push"))
    return first if reported is None or first.status is not Status.DOWN else reported


def _status_after(base_ms: int, schedule: PushSchedule, at_ms: int, in_time: PushStatus) -> PushStatus:
    """The status when no report was received since `base_ms`."""
    expected_ms = _expected_ms(schedule, base_ms)
    if expected_ms is None:
        return in_time
    tolerated_ms, grace_ms = _tolerance_and_grace_ms(schedule, expected_ms)
    if at_ms <= expected_ms + tolerated_ms:
        is_prompt = schedule.grace_ms is None and not schedule.cron and schedule.interval_ms < NO_RECHECK_BELOW_MS
        return in_time if is_prompt else msgspec.structs.replace(in_time, recheck_ms=expected_ms + tolerated_ms + 1)
    if at_ms <= expected_ms + grace_ms:
        reason = f"late by {_format_seconds(at_ms - expected_ms)}, of {_format_seconds(grace_ms)} of grace"
        return PushStatus(Status.PENDING, reason, expected_ms + grace_ms + 1)
    if schedule.cron:
        return PushStatus(Status.DOWN, f"no push for {_format_seconds(at_ms - expected_ms)} since one was expected")
    return PushStatus(Status.DOWN, f"no push within {_format_seconds(schedule.interval_ms)}")


def _excused_ms(reports: ReceivedReports, schedule: PushSchedule, at_ms: int) -> int:
    """Until when a missing report is excused, because it could not be received; 0: it is not."""
    newest_ms = max(abs(reports.report_ms), reports.started_ms, reports.since_ms)
    expected_ms = _expected_ms(schedule, max(abs(reports.report_ms), reports.since_ms)) or newest_ms
    if reports.started_ms > abs(reports.report_ms):
        expected_ms = min(expected_ms, reports.started_ms)
    _, grace_ms = _tolerance_and_grace_ms(schedule, expected_ms)
    excused = [
        to_ms + _retry_window_ms(schedule, from_ms, to_ms)
        for from_ms, to_ms in reports.blind_periods
        if from_ms <= max(at_ms, expected_ms + grace_ms)
        and to_ms >= expected_ms - EARLY_REPORT_MS
        and to_ms > newest_ms
    ]
    return max(excused, default=0)


def _retry_window_ms(schedule: PushSchedule, from_ms: int, to_ms: int) -> int:
    """How long after a blind period the next report may take."""
    is_short = bool(schedule.interval_ms) and schedule.interval_ms <= SHORT_INTERVAL_MS
    if not is_short and to_ms - from_ms < CLIENT_RETRY_MS:
        return CLIENT_RETRY_MS
    expected_ms = _expected_ms(schedule, to_ms)
    if expected_ms is None:
        return CLIENT_RETRY_MS
    return expected_ms + _tolerance_and_grace_ms(schedule, expected_ms)[1] - to_ms


def _expected_ms(schedule: PushSchedule, base_ms: int) -> int | None:
    """When the next report is expected; None without a schedule."""
    if schedule.cron:
        return next_cron(schedule.cron, schedule.timezone, base_ms + EARLY_REPORT_MS)
    return base_ms + schedule.interval_ms if schedule.interval_ms else None


def _tolerance_and_grace_ms(schedule: PushSchedule, expected_ms: int) -> tuple[int, int]:
    """(until late, until down), milliseconds after a report was expected."""
    if schedule.grace_ms is not None:
        return min(LATE_AFTER_MS, schedule.grace_ms // 10), schedule.grace_ms
    span_ms = schedule.interval_ms
    if schedule.cron:
        span_ms = (next_cron(schedule.cron, schedule.timezone, expected_ms) or expected_ms) - expected_ms
    grace_ms = max(MIN_GRACE_MS, round(span_ms * DEFAULT_GRACE_SHARE))
    return grace_ms, grace_ms


def _run_deadline_ms(reports: ReceivedReports, schedule: PushSchedule) -> int:
    """Until when a started run must report; 0 when none is running, or no grace is configured."""
    if schedule.grace_ms is None or reports.started_ms <= abs(reports.report_ms):
        return 0
    return reports.started_ms + schedule.grace_ms


def _format_seconds(ms: int) -> str:
    return f"{round(ms / 1000, 1):.15g} s"
