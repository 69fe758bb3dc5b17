"""Times in messages are in the channel's time zone, with its abbreviation; what programs read is in UTC."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import msgspec
import pytest
from hypothesis import example, given as for_any, strategies as st

from app.domain.text import template_variables, templates
from app.domain.text.formatting import format_instant, local_time
from app.domain.text.message_text import compose_text
from schema.channels.rules import Templates
from schema.events import EventKind
from tests.actors.senders import sample_messages

BERLIN = "Europe/Berlin"
ZONES = st.sampled_from(sorted(available_timezones() - {"localtime"}))
INSTANTS = st.datetimes(datetime(2024, 4, 1), datetime(2037, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001  # UTC
FORMATTED = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) ([A-Za-z]\w*|UTC[+-]\d\d:\d\d)")
WITH_TIMES = {
    EventKind.MONITOR_DOWN: "Down since 2025-08-09 13:56:48 CEST, for 3 min 12 s.",
    EventKind.INCIDENT_OPENED: "Down since 2025-08-09 13:56:48 CEST, for 3 min 12 s.",
    EventKind.INCIDENT_ESCALATED: "Down since 2025-08-09 13:56:48 CEST, for 3 min 12 s.",
    EventKind.CERTIFICATE_EXPIRING: "It ends on 2025-08-16 14:00:00 CEST.",
    EventKind.DOMAIN_EXPIRING: "It ends on 2025-09-08 14:00:00 CEST.",
    EventKind.MAINTENANCE_STARTED: "Until 2025-08-09 15:00:00 CEST.",
}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("instant", "zone", "text"),
    [
        ("2026-11-28 22:14:43", "UTC", "2026-11-28 22:14:43 UTC"),
        ("2026-11-28 22:14:43", BERLIN, "2026-11-28 23:14:43 CET"),
        ("2026-10-25 00:30:00", BERLIN, "2026-10-25 02:30:00 CEST"),  # the hour that occurs twice
        ("2026-10-25 01:30:00", BERLIN, "2026-10-25 02:30:00 CET"),
        ("2026-03-29 00:59:59", BERLIN, "2026-03-29 01:59:59 CET"),  # the hour that is skipped
        ("2026-03-29 01:00:00", BERLIN, "2026-03-29 03:00:00 CEST"),
        ("2026-11-28 22:14:43", "Asia/Kathmandu", "2026-11-29 03:59:43 UTC+05:45"),
        ("2026-11-28 02:14:43", "America/Sao_Paulo", "2026-11-27 23:14:43 UTC-03:00"),
        ("2026-11-28 02:14:43", "Nowhere/Town", "2026-11-28 02:14:43 UTC"),  # another machine may know fewer zones
        ("2026-11-28 02:14:43", "../../etc/passwd", "2026-11-28 02:14:43 UTC"),
    ],
)
def test_an_instant_has_its_local_time_and_the_abbreviation(instant: str, zone: str, text: str) -> None:
    assert format_instant(at(instant), zone) == text


@for_any(INSTANTS, ZONES, st.integers(-7_200, 7_200))
@example(at("2026-10-25 00:30:00"), BERLIN, 3_600)
@example(at("2026-04-04 15:15:00"), "Australia/Lord_Howe", 1_800)
@example(at("2026-10-25 00:30:00"), "Antarctica/Troll", 7_200)
def test_different_seconds_have_different_texts(instant: datetime, zone: str, apart_s: int) -> None:
    other = instant + timedelta(seconds=apart_s)
    same_second = instant.replace(microsecond=0) == other.replace(microsecond=0)
    assert (format_instant(instant, zone) == format_instant(other, zone)) is same_second


@for_any(INSTANTS, ZONES)
@example(at("2026-10-25 01:30:00"), BERLIN)
def test_a_text_leads_back_to_its_instant(instant: datetime, zone: str) -> None:
    match = FORMATTED.fullmatch(format_instant(instant, zone))
    assert match
    naive = datetime.fromisoformat(match[1])
    passes = [naive.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1)]
    candidates = {one.astimezone(UTC) for one in passes if format_instant(one, zone) == match[0]}
    assert candidates == {instant.replace(microsecond=0)}


@for_any(st.datetimes(timezones=st.just(UTC)), ZONES)
@example(datetime.min.replace(tzinfo=UTC), "America/New_York")
@example(datetime.max.replace(tzinfo=UTC), "Pacific/Auckland")
def test_every_instant_can_be_shown(instant: datetime, zone: str) -> None:
    assert local_time(instant, zone) == instant
    assert format_instant(instant, zone)


@pytest.mark.parametrize("kind", list(EventKind))
def test_every_time_in_the_default_words_is_in_the_channels_zone(kind: EventKind) -> None:
    text = compose_text(templates.sample_message(kind, BERLIN)).text
    assert WITH_TIMES.get(kind, "") in text
    assert "2025-08-09 14:00:00 CEST" in text
    assert "UTC" not in text
    assert len(re.findall(r"\d\d:\d\d:\d\d", text)) == text.count(" CEST")


def test_a_digest_has_its_time_in_the_channels_zone() -> None:
    blog = sample_messages.MessageMonitor(id="2", name="Blog", type="dns")
    other = msgspec.structs.replace(
        templates.sample_message(EventKind.MONITOR_DOWN, BERLIN), delivery_id="2", monitor=blog
    )
    whole = msgspec.structs.replace(templates.sample_message(EventKind.MONITOR_DOWN, BERLIN), merged=(other,))
    assert compose_text(whole).text.splitlines()[-1] == "2025-08-09 14:00:00 CEST"
    (member,) = template_variables.variable_values(whole)["group"]
    assert (member["at"], member["text"].splitlines()[-1]) == (
        "2025-08-09T14:00:00+02:00", "2025-08-09 14:00:00 CEST · 42 ms",
    )  # fmt: skip


VARIABLES: dict[str, Any] = {
    "at": "2025-08-09T14:00:00+02:00",
    "time": "2025-08-09T14:00:00+02:00",
    "timezone": BERLIN,
    "expires_at": "2025-08-16T14:00:00+02:00",
}


def test_variables_are_in_the_channels_zone_and_data_is_as_stored() -> None:
    values = template_variables.variable_values(templates.sample_message(EventKind.CERTIFICATE_EXPIRING, BERLIN))
    assert {name: values[name] for name in VARIABLES} == VARIABLES
    assert values["heartbeat"]["time"] == values["at"]
    assert values["data"]["expires_at"] == "2025-08-16T12:00:00Z"
    down = template_variables.variable_values(templates.sample_message(EventKind.MONITOR_DOWN, BERLIN))
    assert down["started_at"] == "2025-08-09T13:56:48+02:00"


@pytest.mark.parametrize(
    ("template", "zone", "text"),
    [
        ("{{ at | date: '%H:%M %Z' }}", BERLIN, "14:00 CEST"),
        ("{{ data.started_at | date: '%H:%M' }}", BERLIN, "13:56"),
        ("{{ at | date: '%H:%M', 'America/New_York' }}", BERLIN, "08:00"),
        ("{{ at | date: '%H:%M', 'UTC' }}", BERLIN, "12:00"),
        ("{{ at | date: '%H:%M', timezone }}", BERLIN, "14:00"),
        ("{{ at | date: '%H:%M' }}", "UTC", "12:00"),
        ("{{ at | date: '%H:%M' }}", "Nowhere/Town", "12:00"),
        ("{% assign timezone = 'Asia/Tokyo' %}{{ at | date: '%H:%M' }}", BERLIN, "14:00"),
        ("{{ at }}", "UTC", "2025-08-09T12:00:00Z"),
    ],
)
def test_the_filter_uses_the_channels_zone_unless_another_is_named(template: str, zone: str, text: str) -> None:
    rendering = templates.render(Templates(text=template), templates.sample_message(EventKind.MONITOR_DOWN, zone))
    assert (rendering.message.text, rendering.errors) == (text, [])
