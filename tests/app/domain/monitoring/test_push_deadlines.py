"""The status of push reports at an instant: in time, late, missing or never received; and the next deadline."""

import pytest
from hypothesis import given, strategies as st

from app.domain.monitoring.push_deadlines import PushSchedule, PushStatus, ReceivedReports, evaluate, oldest_relevant_ms
from schema.status import Status

UP, DOWN, PENDING, UNKNOWN = Status.UP, Status.DOWN, Status.PENDING, Status.UNKNOWN
NOW = 1_795_000_000_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
DAILY = PushSchedule(DAY, grace_ms=HOUR)
THREE = PushSchedule(cron="0 3 * * *", timezone="Europe/Berlin", grace_ms=HOUR)
AT_THREE = 1_794_967_200_000  # 2026-11-18 03:00 in Berlin
terms = st.builds(
    PushSchedule,
    st.sampled_from([0, 5_000, MINUTE, HOUR, DAY]),
    st.sampled_from(["", "", "*/5 * * * *", "0 3 * * *", "0 9 * * MON"]),
    st.sampled_from(["UTC", "Europe/Berlin"]),
    st.sampled_from([None, 1_000, MINUTE, 2 * HOUR]),
)


def status_after(age_ms: int, agreed: PushSchedule) -> Status:
    return evaluate(ReceivedReports(NOW - age_ms), agreed, NOW).status


@pytest.mark.parametrize(
    ("agreed", "age_ms", "expected"),
    [
        (PushSchedule(5_000), 7_000, UP),  # two seconds at least
        (PushSchedule(5_000), 7_001, DOWN),
        (PushSchedule(HOUR), HOUR + 6 * MINUTE, UP),  # a tenth, and never called late
        (PushSchedule(HOUR), HOUR + 6 * MINUTE + 1, DOWN),
        (DAILY, DAY + MINUTE, UP),
        (DAILY, DAY + MINUTE + 1, PENDING),
        (DAILY, DAY + HOUR, PENDING),
        (DAILY, DAY + HOUR + 1, DOWN),
        (PushSchedule(0), 10 * DAY, UP),  # no schedule, no lateness
    ],
)
def test_an_interval_counts_from_the_newest_report(agreed, age_ms, expected):
    assert status_after(age_ms, agreed) is expected


@pytest.mark.parametrize(
    ("report", "at", "expected"),
    [
        (AT_THREE - DAY + 600_000, AT_THREE, UP),
        (AT_THREE - DAY + 600_000, AT_THREE + MINUTE + 1, PENDING),
        (AT_THREE - DAY + 600_000, AT_THREE + HOUR, PENDING),
        (AT_THREE - DAY + 600_000, AT_THREE + HOUR + 1, DOWN),
        (AT_THREE + 600_000, AT_THREE + HOUR + 1, UP),
        (AT_THREE - 4_000, AT_THREE + HOUR + 1, UP),  # its clock is ahead of ours
        (AT_THREE - 6_000, AT_THREE + HOUR + 1, DOWN),
    ],
)
def test_cron_expects_a_report_at_every_due_time(report, at, expected):
    assert evaluate(ReceivedReports(report), THREE, at).status is expected


def test_summer_time_makes_a_day_of_twenty_three_hours():
    before, at = 1_774_663_200_000, 1_774_746_000_000  # 2026-03-28 and -29, 03:00 in Berlin
    assert at - before == 23 * HOUR
    assert evaluate(ReceivedReports(before + 1), THREE, at + HOUR).status is PENDING
    assert evaluate(ReceivedReports(before + 1), THREE, at + HOUR + 1).status is DOWN


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (ReceivedReports(-(NOW - 1)), DOWN),  # a failure stays
        (ReceivedReports(-(NOW - 10), NOW - 5), DOWN),  # a new start does not forgive it
        (ReceivedReports(since_ms=NOW - MINUTE), UNKNOWN),
        (ReceivedReports(since_ms=NOW - DAY - 30 * MINUTE), PENDING),
        (ReceivedReports(since_ms=NOW - 2 * DAY), DOWN),
        (ReceivedReports(NOW - 9 * DAY, since_ms=NOW - MINUTE), UNKNOWN),  # resumed a minute ago
        (ReceivedReports(NOW - 2 * HOUR, NOW - HOUR), UP),
        (ReceivedReports(NOW - 2 * HOUR, NOW - HOUR - 1), DOWN),  # it hangs
        (ReceivedReports(NOW - HOUR, NOW - 2 * HOUR), UP),  # it has ended
    ],
)
def test_the_status_follows_from_reports_starts_and_monitor_age(known, expected):
    assert evaluate(known, DAILY, NOW).status is expected


@pytest.mark.parametrize(
    ("known", "at", "look"),
    [
        (ReceivedReports(NOW), NOW, NOW + DAY + MINUTE + 1),
        (ReceivedReports(NOW), NOW + DAY + MINUTE + 1, NOW + DAY + HOUR + 1),
        (ReceivedReports(NOW), NOW + DAY + HOUR + 1, 0),
        (ReceivedReports(NOW, NOW + 1), NOW + 1, NOW + 1 + HOUR + 1),
    ],
)
def test_the_next_look_is_when_it_changes(known, at, look):
    assert evaluate(known, DAILY, at).recheck_ms == look


@given(terms, st.integers(0, 3 * DAY), st.integers(-2 * DAY, 2 * DAY))
def test_between_looks_nothing_changes(agreed, age_ms, start_after_ms):
    known = ReceivedReports(NOW - age_ms, NOW - age_ms + start_after_ms, NOW - 30 * DAY)
    at = max(NOW - age_ms, known.started_ms)
    found = evaluate(known, agreed, at)
    if found.recheck_ms:
        assert found.recheck_ms > at
        assert evaluate(known, agreed, found.recheck_ms - 1).status is found.status
        assert evaluate(known, agreed, found.recheck_ms).status is not found.status


@given(terms, st.integers(0, 3 * DAY), st.integers(1, 30 * DAY))
def test_reports_older_than_the_oldest_relevant_instant_mean_down(agreed, into_ms, older_ms):
    at = NOW + into_ms
    oldest = oldest_relevant_ms(agreed, at)
    if oldest:
        assert evaluate(ReceivedReports(oldest - older_ms), agreed, at).status is DOWN


def test_a_monitor_without_schedule_and_reports_is_never_late():
    assert evaluate(ReceivedReports(since_ms=NOW), PushSchedule(), NOW) == PushStatus(
        UNKNOWN, "waiting for the first push"
    )


@pytest.mark.parametrize(
    ("away", "after_s", "status"),
    [
        ((), 200, Status.DOWN),  # no blind period: the report is missing
        (((50, 190),), 200, Status.UNKNOWN),  # the report was due in a blind period
        (((50, 190),), 190 + 67, Status.DOWN),  # and the next one did not come either
        (((10, 20),), 200, Status.DOWN),  # over before a report was expected
        (((5, 3_605),), 3_606, Status.UNKNOWN),  # the clock jumped over an hour
    ],
)
def test_a_report_due_in_a_blind_period_does_not_count_as_missing(away, after_s, status):
    schedule = PushSchedule(interval_ms=60_000)
    reports = ReceivedReports(NOW, blind_periods=tuple((NOW + 1_000 * begin, NOW + 1_000 * end) for begin, end in away))
    assert evaluate(reports, schedule, NOW + 1_000 * after_s).status is status


def test_a_nightly_report_that_a_pause_may_have_lost_has_a_minute():
    schedule = PushSchedule(interval_ms=86_400_000, grace_ms=600_000)
    due_ms = NOW + 86_400_000
    reports = ReceivedReports(NOW, blind_periods=((due_ms + 1_000, due_ms + 7_000),))
    assert evaluate(reports, schedule, due_ms + 600_001).status is Status.DOWN
    late = ReceivedReports(NOW, blind_periods=((due_ms + 590_000, due_ms + 596_000),))
    found = evaluate(late, schedule, due_ms + 600_001)
    assert (found.status, found.recheck_ms) == (Status.UNKNOWN, due_ms + 596_000 + 60_000 + 1)
    assert evaluate(late, schedule, found.recheck_ms).status is Status.DOWN


def test_a_report_of_down_stays_down_after_a_blind_period():
    reports = ReceivedReports(-NOW, blind_periods=((NOW, NOW + 60_000),))
    assert evaluate(reports, PushSchedule(interval_ms=60_000), NOW + 1).status is Status.DOWN
