"""Decides what the reports of a push monitor mean at an instant. Pure: no clock, no database.

A report is expected one interval after the one before, or at the next time of a cron expression. Then there is grace:
within it the monitor is late (PENDING), after it DOWN. What is decided follows from the newest report and the newest
start alone, so it is the same after any restart; `look_ms` only says when to look next, so that it is noticed in time.
"""

import msgspec

from app.domain.schedule.cron import last_cron, next_cron
from schema.status import Status

DEFAULT_GRACE_SHARE = 0.1  # of the interval, or of the time until the following cron slot: jobs are late now and then
MIN_GRACE_MS = 2_000
LATE_AFTER_MS = 60_000  # of a grace that was asked for, at most so much passes before the monitor is shown as late
EARLY_REPORT_MS = 5_000  # a report this much before its cron slot is that slot's: clocks differ
SHORT_INTERVAL_MS = (
    600_000  # a report that comes again within this is waited for, after a time in which none could come in
)
CLIENT_RETRY_MS = (
    60_000  # whoever could not report for as long has given up; who could not for less tries again in this time
)
NO_RECHECK_BELOW_MS = 300_000  # a shorter interval without a grace of its own is looked at often enough


class PushSchedule(msgspec.Struct, frozen=True):
    """When reports are expected.

    grace_ms  what was asked for, milliseconds; None: a tenth, and nobody is called late within it
    """

    interval_ms: int = 0
    cron: str = ""
    timezone: str = "UTC"
    grace_ms: int | None = None


class ReceivedReports(msgspec.Struct, frozen=True):
    """What has come in; epoch milliseconds, 0 for nothing.

    report_ms   the newest report; negative when it said that it went wrong
    started_ms  the newest start of a run
    since_ms    since when the monitor is watched
    away        (from, to) of each time in which nothing could come in: we stood still, or the clock jumped over it
    """

    report_ms: int = 0
    started_ms: int = 0
    since_ms: int = 0
    blind_periods: tuple[tuple[int, int], ...] = ()


class PushStatus(msgspec.Struct, frozen=True):
    """What it comes to: UP, PENDING (late), DOWN or UNKNOWN (nothing has come yet).

    look_ms  when it may change by itself; 0: not before the next slot
    """

    status: Status
    reason: str = ""
    recheck_ms: int = 0


def evaluate(reports: ReceivedReports, terms: PushSchedule, at_ms: int) -> PushStatus:
    """Weigh the reports at an instant; what could not come in proves nothing."""
    if reports.report_ms < 0:
        return PushStatus(Status.DOWN, "the last push said down")
    found = _evaluate_reports(reports, terms, at_ms)
    until_ms = _excused_ms(reports, terms, at_ms) if found.status is Status.DOWN and reports.blind_periods else 0
    if until_ms < at_ms:
        return found
    return PushStatus(Status.UNKNOWN, f"nobody could report for a while ({found.reason})", until_ms + 1)


def _evaluate_reports(reports: ReceivedReports, terms: PushSchedule, at_ms: int) -> PushStatus:
    found, ends_ms = _by_schedule(reports, terms, at_ms), _run_deadline_ms(reports, terms)
    if not ends_ms or found.status is Status.DOWN:
        return found
    if at_ms > ends_ms:
        return PushStatus(Status.DOWN, f"started, and not finished within {_format_seconds(terms.grace_ms or 0)}")
    return msgspec.structs.replace(found, recheck_ms=min(found.recheck_ms or ends_ms + 1, ends_ms + 1))


def oldest_relevant_ms(terms: PushSchedule, at_ms: int) -> int:
    """Reports and starts older than this change nothing at `at_ms`; 0: any may matter."""
    if not terms.cron:
        return at_ms - terms.interval_ms - _tolerance_and_grace_ms(terms, at_ms)[1] if terms.interval_ms else 0
    if terms.grace_ms is not None:
        slot_ms = last_cron(terms.cron, terms.timezone, at_ms - terms.grace_ms - 1)
    else:
        slot_ms = last_cron(terms.cron, terms.timezone, at_ms)
        if slot_ms is not None and at_ms <= slot_ms + _tolerance_and_grace_ms(terms, slot_ms)[1]:
            slot_ms = last_cron(terms.cron, terms.timezone, slot_ms - 1)
    return 0 if slot_ms is None else slot_ms - EARLY_REPORT_MS


def _by_schedule(reports: ReceivedReports, terms: PushSchedule, at_ms: int) -> PushStatus:
    """By the newest report; what was added, changed or resumed since is given the same time for its first one."""
    found = _status_after(reports.report_ms, terms, at_ms, PushStatus(Status.UP)) if reports.report_ms else None
    if found is not None and found.status is not Status.DOWN:
        return found
    waiting = _status_after(reports.since_ms, terms, at_ms, PushStatus(Status.UNKNOWN, "waiting for the first push"))
    return waiting if found is None or waiting.status is not Status.DOWN else found


def _status_after(base_ms: int, terms: PushSchedule, at_ms: int, fine: PushStatus) -> PushStatus:
    """What it comes to when nothing has come in since `base_ms`."""
    expected_ms = _expected_ms(terms, base_ms)
    if expected_ms is None:
        return fine
    tolerated_ms, grace_ms = _tolerance_and_grace_ms(terms, expected_ms)
    if at_ms <= expected_ms + tolerated_ms:
        prompt = terms.grace_ms is None and not terms.cron and terms.interval_ms < NO_RECHECK_BELOW_MS
        return fine if prompt else msgspec.structs.replace(fine, recheck_ms=expected_ms + tolerated_ms + 1)
    if at_ms <= expected_ms + grace_ms:
        late = f"late by {_format_seconds(at_ms - expected_ms)}, of {_format_seconds(grace_ms)} of grace"
        return PushStatus(Status.PENDING, late, expected_ms + grace_ms + 1)
    if terms.cron:
        return PushStatus(Status.DOWN, f"no push for {_format_seconds(at_ms - expected_ms)} since one was expected")
    return PushStatus(Status.DOWN, f"no push within {_format_seconds(terms.interval_ms)}")


def _excused_ms(reports: ReceivedReports, terms: PushSchedule, at_ms: int) -> int:
    """Until when silence proves nothing, because a report that was expected could not come in; 0: it proves."""
    newest_ms = max(abs(reports.report_ms), reports.started_ms, reports.since_ms)
    expected_ms = _expected_ms(terms, max(abs(reports.report_ms), reports.since_ms)) or newest_ms
    if reports.started_ms > abs(reports.report_ms):
        expected_ms = min(expected_ms, reports.started_ms)
    _, grace_ms = _tolerance_and_grace_ms(terms, expected_ms)
    excused = [
        to_ms + _retry_window_ms(terms, from_ms, to_ms)
        for from_ms, to_ms in reports.blind_periods
        if from_ms <= max(at_ms, expected_ms + grace_ms)
        and to_ms >= expected_ms - EARLY_REPORT_MS
        and to_ms > newest_ms
    ]
    return max(excused, default=0)


def _retry_window_ms(terms: PushSchedule, from_ms: int, to_ms: int) -> int:
    """How long after a time in which nothing could come in the next report may take."""
    is_soon = bool(terms.interval_ms) and terms.interval_ms <= SHORT_INTERVAL_MS
    if not is_soon and to_ms - from_ms < CLIENT_RETRY_MS:
        return CLIENT_RETRY_MS
    expected_ms = _expected_ms(terms, to_ms)
    return (
        CLIENT_RETRY_MS if expected_ms is None else expected_ms + _tolerance_and_grace_ms(terms, expected_ms)[1] - to_ms
    )


def _expected_ms(terms: PushSchedule, base_ms: int) -> int | None:
    """When the report after this one is expected; None for no schedule."""
    if terms.cron:
        return next_cron(terms.cron, terms.timezone, base_ms + EARLY_REPORT_MS)
    return base_ms + terms.interval_ms if terms.interval_ms else None


def _tolerance_and_grace_ms(terms: PushSchedule, expected_ms: int) -> tuple[int, int]:
    """(until it is called late, until it is down), milliseconds after a report was expected."""
    if terms.grace_ms is not None:
        return min(LATE_AFTER_MS, terms.grace_ms // 10), terms.grace_ms
    span_ms = terms.interval_ms
    if terms.cron:
        span_ms = (next_cron(terms.cron, terms.timezone, expected_ms) or expected_ms) - expected_ms
    grace_ms = max(MIN_GRACE_MS, round(span_ms * DEFAULT_GRACE_SHARE))
    return grace_ms, grace_ms


def _run_deadline_ms(reports: ReceivedReports, terms: PushSchedule) -> int:
    """Until when a run that was started must have reported; 0 when none is on its way, or no grace was asked for."""
    if terms.grace_ms is None or reports.started_ms <= abs(reports.report_ms):
        return 0
    return reports.started_ms + terms.grace_ms


def _format_seconds(ms: int) -> str:
    return f"{round(ms / 1000, 1):.15g} s"
