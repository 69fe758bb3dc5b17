"""Cron expressions in time zones: every answer agrees with every other, and summer time comes and goes."""

from datetime import UTC, datetime
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from app.domain.schedule.cron import cron_error, due_times, last_cron, next_cron

BERLIN = "Europe/Berlin"
HOUR_MS = 3_600_000
EXPRESSIONS = [
    "* * * * *",
    "*/7 * * * *",
    "30 2 * * *",
    "0 */6 * * *",
    "15,45 1-4 * * *",
    "0 3 1 * *",
    "0 9 * * MON-FRI",
]
ZONES = ["UTC", BERLIN, "America/New_York", "America/Havana", "Asia/Kolkata", "Australia/Lord_Howe"]
expressions, zones = st.sampled_from(EXPRESSIONS), st.sampled_from(ZONES)
instants = st.integers(1_600_000_000_000, 1_900_000_000_000)


def ms(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def text_of(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%m-%d %H:%M")


def courses(cron: str, zone: str, after: str, count: int) -> list[str]:
    """The next due times, in UTC."""
    return [text_of(at) for at in islice(due_times(cron, zone, ms(after, zone)), count)]


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        ("0 3 * * *", "2026-01-01T00:00", ["01-01 02:00", "01-02 02:00"]),  # winter: an hour ahead of UTC
        ("0 3 * * *", "2026-03-28T12:00", ["03-29 01:00", "03-30 01:00"]),  # from that night on two hours
        ("30 2 * * *", "2026-03-28T12:00", ["03-29 01:00", "03-30 00:30"]),  # 02:30 is left out: right after the gap
        ("30 2 * * *", "2026-10-24T12:00", ["10-25 00:30", "10-26 01:30"]),  # 02:30 comes twice: once
        ("*/30 * * * *", "2026-10-25T01:45", ["10-25 00:00", "10-25 00:30", "10-25 01:00", "10-25 01:30"]),
        ("*/30 * * * *", "2026-03-29T01:10", ["03-29 00:30", "03-29 01:00"]),
        ("0 0 29 2 *", "2026-01-01T00:00", ["02-28 23:00"]),
        ("0 9 * * MON-FRI", "2026-01-02T10:00", ["01-05 08:00"]),
    ],
)
def test_due_times_follow_the_clock_on_the_wall(cron, after, expected):
    assert courses(cron, BERLIN, after, len(expected)) == expected


def test_in_the_second_pass_of_an_hour_the_next_due_time_lies_ahead():
    second_pass = ms("2026-10-25T01:15")  # 02:15 for the second time
    assert text_of(next_cron("30 2 * * *", BERLIN, second_pass) or 0) == "10-26 01:30"


@given(expressions, zones, instants)
def test_the_next_due_time_is_later_and_on_a_whole_minute(cron, zone, after_ms):
    found = next_cron(cron, zone, after_ms)
    assert found is not None
    assert found > after_ms
    assert found % 60_000 == 0


@given(expressions, zones, instants, st.integers(0, 30 * HOUR_MS))
def test_due_times_do_not_depend_on_the_starting_instant(cron, zone, early_ms, later_ms):
    late_ms = early_ms + later_ms
    first, second = next_cron(cron, zone, early_ms), next_cron(cron, zone, late_ms)
    assert first is not None
    assert second is not None
    assert first <= second
    assert first <= late_ms or first == second


@given(expressions, zones, instants)
def test_the_last_due_time_is_the_one_before_the_next(cron, zone, at_ms):
    last = last_cron(cron, zone, at_ms)
    assert last is not None
    assert last <= at_ms
    assert next_cron(cron, zone, last) == next_cron(cron, zone, at_ms)
    assert next_cron(cron, zone, last - 1) == last


@given(expressions, zones, instants)
def test_a_walk_never_stands_still(cron, zone, after_ms):
    assert all(one < other for one, other in pairwise(islice(due_times(cron, zone, after_ms), 12)))


@pytest.mark.parametrize(
    ("cron", "zone", "field"),
    [
        ("* * * *", "UTC", "cron"),
        ("0 * * * * *", "UTC", "cron"),  # seconds
        ("61 * * * *", "UTC", "cron"),
        ("0 0 30 2 *", "UTC", "cron"),  # no such day
        ("0 0 * 2 MON#5", "UTC", "cron"),  # a fifth Monday in February: not for decades
        ("@daily", "UTC", "cron"),
        ("* * * * *", "Mars/Olympus", "timezone"),
        ("* * * * *", "../etc/passwd", "timezone"),
        ("* * * * *", "", "timezone"),
    ],
)
def test_invalid_schedules_are_rejected_with_the_field(cron, zone, field):
    wrong = cron_error(cron, zone, ms("2026-01-01T00:00"))
    assert wrong is not None
    assert wrong[0] == field


@pytest.mark.parametrize("cron", [*EXPRESSIONS, "0 0 29 2 *", "0 0 L * *", "0 0 * * FRI#1"])
def test_cron_expressions_that_come_due_are_accepted(cron):
    assert cron_error(cron, BERLIN, ms("2026-01-01T00:00")) is None
