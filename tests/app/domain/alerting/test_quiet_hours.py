"""Quiet hours end in local time, also on days when the clocks change."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, strategies as st

from app.domain.alerting import quiet_hours
from schema.channels.rules import QuietHours

BERLIN, LORD_HOWE, APIA = "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia"
NIGHT: dict[str, Any] = {"start": "22:00", "end": "07:00", "timezone": BERLIN}
HOUR_MS = 3_600_000
CLOCKS = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
ZONES = st.sampled_from([BERLIN, LORD_HOWE, APIA, "America/New_York", "Asia/Kathmandu", "UTC"])
YEARS_MS = st.integers(1_262_304_000_000, 1_924_905_600_000)  # 2010 to 2030


def ms(local_time: str, zone: str = BERLIN, fold: int = 0) -> int:
    return round(datetime.fromisoformat(local_time).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp() * 1000)


def until(local_time: str, **quiet) -> int:
    chosen = QuietHours(**quiet)
    return quiet_hours.quiet_until_ms(chosen, ms(local_time, chosen.timezone or quiet_hours.DEFAULT_TIMEZONE))


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-11-22T21:59:59", None),
        ("2026-11-22T22:00:00", "2026-11-23T07:00"),
        ("2026-11-22T23:59:59", "2026-11-23T07:00"),
        ("2026-11-23T00:00:00", "2026-11-23T07:00"),
        ("2026-11-23T06:59:59", "2026-11-23T07:00"),
        ("2026-11-23T07:00:00", None),
        ("2026-11-23T12:00:00", None),
    ],
)
def test_a_night_reaches_past_midnight(now, end):
    assert until(now, **NIGHT) == (ms(end) if end else 0)


@pytest.mark.parametrize(("now", "is_quiet"), [("11:59", False), ("12:00", True), ("12:59", True), ("13:00", False)])
def test_a_rest_lies_within_a_day(now, is_quiet):
    assert bool(until(f"2026-11-22T{now}", start="12:00", end="13:00")) is is_quiet


@pytest.mark.parametrize(
    ("now", "is_quiet"),
    [
        ("2026-11-27T23:00", True),  # Friday
        ("2026-11-28T06:00", True),  # its night, on Saturday
        ("2026-11-28T23:00", False),
        ("2026-11-29T06:00", False),
    ],
)
def test_a_night_belongs_to_the_day_it_begins_on(now, is_quiet):
    assert bool(until(now, **NIGHT, days=["fri"])) is is_quiet


def test_another_time_zone_has_another_night():
    noon_in_berlin = ms("2026-11-22T12:00")
    assert quiet_hours.quiet_until_ms(QuietHours(**NIGHT), noon_in_berlin) == 0
    auckland = QuietHours(**{**NIGHT, "timezone": "Pacific/Auckland"})
    assert quiet_hours.quiet_until_ms(auckland, noon_in_berlin) == ms("2026-11-23T07:00", "Pacific/Auckland")


def test_the_night_the_clock_is_put_forward_is_an_hour_shorter():
    begin, end = ms("2026-03-28T22:00"), until("2026-03-28T22:00", **NIGHT)
    assert end - begin == 8 * HOUR_MS


def test_the_night_the_clock_is_put_back_is_an_hour_longer():
    begin, end = ms("2026-10-24T22:00"), until("2026-10-24T22:00", **NIGHT)
    assert end - begin == 10 * HOUR_MS


def test_an_end_that_is_left_out_is_the_moment_the_clock_is_put_forward():
    assert until("2026-03-29T01:30", start="22:00", end="02:30", timezone=BERLIN) == ms("2026-03-29T03:00")


def test_a_beginning_that_is_left_out_is_the_moment_the_clock_is_put_forward():
    quiet = {"start": "02:30", "end": "04:00", "timezone": BERLIN}
    assert until("2026-03-29T01:59", **quiet) == 0
    assert until("2026-03-29T03:00", **quiet) == ms("2026-03-29T04:00")


@pytest.mark.parametrize(("start", "end"), [("22:00", "02:30"), ("02:15", "02:30")])
@pytest.mark.parametrize("fold", [0, 1])
def test_an_hour_that_comes_twice_is_quiet_both_times(start, end, fold):
    quiet = QuietHours(start=start, end=end, timezone=BERLIN)
    assert quiet_hours.quiet_until_ms(quiet, ms("2026-10-25T02:20", fold=fold)) == ms("2026-10-25T02:30", fold=1)


def test_the_clock_may_be_changed_by_half_an_hour_and_a_day_be_left_out():
    assert until("2026-10-04T01:45", start="01:00", end="02:15", timezone=LORD_HOWE) == ms(
        "2026-10-04T02:30", LORD_HOWE
    )
    assert until("2011-12-29T23:00", start="22:00", end="07:00", timezone=APIA) == ms("2011-12-31T00:00", APIA)


@given(CLOCKS, CLOCKS, ZONES, YEARS_MS)
def test_quiet_hours_end_after_now_and_it_is_not_quiet_when_they_have(start, end, zone, now_ms):
    assume(start != end)
    quiet = QuietHours(start=start, end=end, timezone=zone)
    end_ms = quiet_hours.quiet_until_ms(quiet, now_ms)
    if end_ms:
        assert now_ms < end_ms <= now_ms + 50 * HOUR_MS
        assert quiet_hours.quiet_until_ms(quiet, end_ms) == 0
        assert quiet_hours.quiet_until_ms(quiet, end_ms - 1) == end_ms


@given(CLOCKS, CLOCKS, ZONES, YEARS_MS)
def test_daily_quiet_hours_equal_those_of_all_single_days(start, end, zone, now_ms):
    assume(start != end)
    always = QuietHours(start=start, end=end, timezone=zone)
    by_day = [QuietHours(start=start, end=end, timezone=zone, days=[day]) for day in quiet_hours.DAYS]
    assert max(quiet_hours.quiet_until_ms(one, now_ms) for one in by_day) == quiet_hours.quiet_until_ms(always, now_ms)
