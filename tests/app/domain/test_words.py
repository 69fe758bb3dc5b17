"""What people read."""

from datetime import timedelta

import pytest
from hypothesis import given as for_any, strategies as st

from app.domain.words import length_of, one_line, words_of
from schema.events import EventKind
from schema.status import Status
from tests.actors.senders import given


@pytest.mark.parametrize(
    ("duration_s", "said"),
    [
        (0, "less than a second"),
        (0.4, "less than a second"),
        (1, "1 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (192, "3 min 12 s"),
        (3_600, "1 h"),
        (3_605, "1 h"),
        (7_500, "2 h 5 min"),
        (86_400 + 4 * 3_600, "1 d 4 h"),
        (40 * 86_400 + 59, "40 d"),
    ],
)
def test_a_length_is_said_in_its_two_largest_units(duration_s: float, said: str) -> None:
    assert length_of(duration_s) == said


def test_a_recovery_says_how_long_the_outage_was() -> None:
    words = words_of(given.message(event=EventKind.MONITOR_UP, status=Status.UP, msg="200 OK", duration_s=192))
    assert words.title.endswith(" is up")
    assert words.text.startswith("It was down for 3 min 12 s.\n200 OK\n")


def test_a_recovery_that_is_slow_says_so() -> None:
    words = words_of(given.message(event=EventKind.MONITOR_UP, status=Status.DEGRADED, duration_s=5))
    assert words.title.endswith(" is up, but degraded")


def test_an_outage_says_since_when_and_why() -> None:
    assert words_of(given.message()).text == (
        "Down since 2026-11-22 12:00:00 UTC.\n503 Service Unavailable\n2026-11-22 12:00:00 UTC"
    )


def test_a_reminder_says_how_long_it_has_lasted() -> None:
    words = words_of(given.message(at=given.AT + timedelta(minutes=10)))
    assert words.text.startswith("Down since 2026-11-22 12:00:00 UTC, for 10 min.\n")


@pytest.mark.parametrize(
    ("event", "title", "text"),
    [
        (EventKind.MONITOR_DEGRADED, "Shop is degraded", "slow\n"),
        (EventKind.MONITOR_UNKNOWN, "Shop could not be checked", "The fault is on our side"),
        (EventKind.MONITOR_PAUSED, "Shop was paused", "slow\n"),
    ],
)
def test_every_event_of_a_monitor_names_it(event: EventKind, title: str, text: str) -> None:
    shop = given.Watched(id="1", name="Shop", type="http")
    words = words_of(given.message(event=event, monitor=shop, msg="slow", started_at=None))
    assert words.title == title
    assert words.text.startswith(text)


def test_an_event_without_a_monitor_has_a_title_of_its_own() -> None:
    words = words_of(given.message(event=EventKind.SCHEDULE_LAG, monitor=None, msg="12 s late", started_at=None))
    assert words.title == "Watchkeeper is behind its schedule"
    assert words.text == "12 s late\n2026-11-22 12:00:00 UTC"


def test_a_test_message_says_that_the_channel_works() -> None:
    words = words_of(given.message(event=EventKind.TEST, monitor=None, msg="", started_at=None, test=True))
    assert words.title == "Test message from Watchkeeper"
    assert words.text.startswith("This channel works.\n")


def test_a_real_event_sent_as_a_test_is_marked() -> None:
    assert words_of(given.message(test=True)).title.startswith("[Test] ")


def test_the_response_time_is_told_when_there_is_one() -> None:
    assert words_of(given.message(ping_ms=41.6)).text.endswith(" · 42 ms")


@pytest.mark.parametrize("kind", list(EventKind))
def test_every_event_has_words(kind: EventKind) -> None:
    words = words_of(given.message(event=kind))
    assert words.title
    assert words.text


@for_any(st.text())
def test_a_title_is_one_line_whatever_a_monitor_is_called(name: str) -> None:
    title = words_of(given.message(monitor=given.Watched(id="1", name=name, type="http"))).title
    assert len(title.splitlines()) == 1
    assert "\x00" not in title


def test_what_turns_text_around_is_taken_out() -> None:
    assert one_line("a\u202egpj.exe\u2066b", 50) == "a gpj.exe b"


def test_a_long_text_is_cut_visibly() -> None:
    assert one_line("abcdef", 4) == "abc…"
