"""The text of a digest of several events."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given as for_any, strategies as st

from app.domain.text.message_text import Severity, compose_text
from schema.events import EventKind
from schema.message import Message
from schema.status import Status
from tests.actors.senders import sample_messages

DOWN, UP, CERTIFICATE = EventKind.MONITOR_DOWN, EventKind.MONITOR_UP, EventKind.CERTIFICATE_EXPIRING


def of(name: str, event: EventKind = DOWN, **changes: Any) -> Message:
    usual = {
        "delivery_id": f"{name} {event}",
        "monitor": sample_messages.MessageMonitor(id=name, name=name, type="http"),
    }
    status = Status.UP if event is UP else Status.DOWN
    return sample_messages.message(event=event, status=status, **usual | changes)


def together(*messages: Message) -> Message:
    *others, newest = messages
    return msgspec.structs.replace(newest, merged=tuple(others))


@pytest.mark.parametrize(
    ("events", "title"),
    [
        ([DOWN] * 14, "14 monitors are down"),
        ([UP] * 2, "2 monitors are up"),
        ([UP] * 5 + [DOWN] * 9, "9 are down, 5 are up"),
        ([DOWN, UP], "1 is down, 1 is up"),
        ([DOWN, CERTIFICATE, CERTIFICATE], "1 is down, 2 certificates expire"),
        ([CERTIFICATE, CERTIFICATE], "2 certificates expire"),
        ([EventKind.MONITOR_PAUSED, DOWN], "1 is down, 1 other message"),
        ([EventKind.MONITOR_PAUSED, EventKind.MONITOR_RESUMED], "2 messages"),
    ],
)
def test_the_title_counts_the_members(events: list[EventKind], title: str) -> None:
    assert compose_text(together(*(of(f"m{number}", event) for number, event in enumerate(events)))).title == title


def test_each_monitor_has_its_line_and_the_worst_come_first() -> None:
    back = of("Blog", UP, duration_s=192)
    text = compose_text(together(back, of("Shop"), of("Wiki", CERTIFICATE, facts={"name": "wiki.example", "days": 3})))
    assert text.text.splitlines() == [
        "Shop is down: 503 Service Unavailable",
        "The certificate of wiki.example expires in 3 days: 503 Service Unavailable",
        "Blog is up, after 3 min 12 s",
        "2026-11-22 12:00:00 UTC",
    ]
    assert text.severity is Severity.CRITICAL


def test_a_recovered_monitor_is_listed_with_its_recovery_only() -> None:
    later = sample_messages.AT + timedelta(seconds=20)
    text = compose_text(together(of("Shop"), of("Blog"), of("Shop", UP, at=later)))
    assert text.title == "1 is down, 1 is up"
    assert "Shop is down" not in text.text


def test_a_digest_of_one_is_sent_like_one_event() -> None:
    text = compose_text(
        together(of("Shop"), of("Shop", UP, at=sample_messages.AT + timedelta(seconds=20), duration_s=20))
    )
    assert (text.title, text.severity) == ("Shop is up", Severity.RESOLVED)
    assert text.text.startswith("It was down for 20 s.")


def test_members_behind_one_parent_name_that_parent() -> None:
    facts = {"parent": {"id": "9", "name": "router X"}}
    behind = [of(f"m{number}", facts=facts) for number in range(14)]
    assert compose_text(together(*behind)).title == "14 monitors are down behind router X"
    assert compose_text(together(*behind, of("Shop"))).title == "15 monitors are down"


def test_a_long_list_is_cut_with_the_number_left_out() -> None:
    lines = compose_text(together(*(of(f"m{number}") for number in range(500)))).text.splitlines()
    assert len(lines) == 22
    assert lines[-2] == "and 480 more"


def test_the_acknowledge_link_follows_the_list() -> None:
    newest = of("Shop", ack_url="https://wk.example/ack/1")
    assert compose_text(together(of("Blog"), newest)).text.endswith("\nAcknowledge: https://wk.example/ack/1")


NAMES = st.lists(st.tuples(st.text(), st.sampled_from(EventKind), st.text()), min_size=2, max_size=60)


@for_any(NAMES)
def test_a_group_keeps_within_its_limits_whatever_it_holds(expected: list[tuple[str, EventKind, str]]) -> None:
    text = compose_text(together(*(of(name, event, msg=msg) for name, event, msg in expected)))
    assert len(text.title.splitlines()) == 1
    assert len(text.title) <= 200
    assert len(text.text.split("\n")) <= 22
    assert len(text.text) <= 1_600
