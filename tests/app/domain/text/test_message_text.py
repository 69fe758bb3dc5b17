"""The texts of messages for people."""

import re
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given as for_any, strategies as st

from app.domain.alerting import sample_events
from app.domain.alerting.messages import message_from_event
from app.domain.text.message_text import Severity, compose_text, format_duration, one_line
from schema.events import EventKind
from schema.message import Message
from schema.status import Status
from tests.actors.senders import sample_messages


@pytest.mark.parametrize(
    ("duration_s", "expected"),
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
def test_a_length_is_written_in_its_two_largest_units(duration_s: float, expected: str) -> None:
    assert format_duration(duration_s) == expected


def test_a_recovery_has_the_length_of_the_outage() -> None:
    text = compose_text(
        sample_messages.message(event=EventKind.MONITOR_UP, status=Status.UP, msg="200 OK", duration_s=192)
    )
    assert text.title.endswith(" is up")
    assert text.text.startswith("It was down for 3 min 12 s.\n200 OK\n")


def test_a_recovery_that_is_slow_is_marked() -> None:
    text = compose_text(sample_messages.message(event=EventKind.MONITOR_UP, status=Status.DEGRADED, duration_s=5))
    assert text.title.endswith(" is up, but degraded")


def test_an_outage_has_its_start_and_reason() -> None:
    assert compose_text(sample_messages.message()).text == (
        "Down since 2026-11-22 12:00:00 UTC.\n503 Service Unavailable\n2026-11-22 12:00:00 UTC"
    )


def test_a_reminder_has_the_length_of_the_outage() -> None:
    text = compose_text(sample_messages.message(at=sample_messages.AT + timedelta(minutes=10)))
    assert text.text.startswith("Down since 2026-11-22 12:00:00 UTC, for 10 min.\n")


@pytest.mark.parametrize(
    ("event", "title", "text"),
    [
        (EventKind.MONITOR_DEGRADED, "Shop is degraded", "slow\n"),
        (EventKind.MONITOR_UNKNOWN, "Shop could not be checked", "The fault is on our side"),
        (EventKind.MONITOR_PAUSED, "Shop was paused", "slow\n"),
    ],
)
def test_every_event_of_a_monitor_names_it(event: EventKind, title: str, text: str) -> None:
    shop = sample_messages.MessageMonitor(id="1", name="Shop", type="http")
    rendered = compose_text(sample_messages.message(event=event, monitor=shop, msg="slow", started_at=None))
    assert rendered.title == title
    assert rendered.text.startswith(text)


def test_an_event_without_a_monitor_has_a_title_of_its_own() -> None:
    text = compose_text(
        sample_messages.message(event=EventKind.SCHEDULE_LAG, monitor=None, msg="12 s late", started_at=None)
    )
    assert text.title == "Watchkeeper is behind its schedule"
    assert text.text == "12 s late\n2026-11-22 12:00:00 UTC"


def test_a_test_message_confirms_that_the_channel_works() -> None:
    text = compose_text(sample_messages.message(event=EventKind.TEST, monitor=None, msg="", started_at=None, test=True))
    assert text.title == "Test message from Watchkeeper"
    assert text.text.startswith("This channel works.\n")


def test_a_real_event_sent_as_a_test_is_marked() -> None:
    assert compose_text(sample_messages.message(test=True)).title.startswith("[Test] ")


def test_the_response_time_is_included_when_there_is_one() -> None:
    assert compose_text(sample_messages.message(ping_ms=41.6)).text.endswith(" · 42 ms")


def example(kind: EventKind, **changes: Any) -> Message:
    return msgspec.structs.replace(message_from_event(sample_events.sample_event(kind), "1"), **changes)


EXPECTED = {
    EventKind.MONITOR_DOWN: ("Shop is down", Severity.CRITICAL, "Down since 2025-08-09 11:56:48 UTC, for 3 min 12 s."),
    EventKind.MONITOR_UP: ("Shop is up", Severity.RESOLVED, "It was down for 3 min 12 s."),
    EventKind.MONITOR_DEGRADED: ("Shop is degraded", Severity.WARNING, "answered after 2.1 s"),
    EventKind.MONITOR_UNKNOWN: (
        "Shop could not be checked", Severity.WARNING, "The fault is on our side, or on the way",
    ),
    EventKind.MONITOR_CLEARED: (
        "Shop is no longer degraded",
        Severity.RESOLVED,
        "It lasted 3 min 12 s.",
    ),
    EventKind.MONITOR_CREATED: ("Shop was created", Severity.INFO, "2025-08-09 12:00:00 UTC"),
    EventKind.MONITOR_UPDATED: ("Shop was changed", Severity.INFO, "2025-08-09 12:00:00 UTC"),
    EventKind.MONITOR_DELETED: ("Shop was deleted", Severity.INFO, "2025-08-09 12:00:00 UTC"),
    EventKind.MONITOR_PAUSED: ("Shop was paused", Severity.INFO, "2025-08-09 12:00:00 UTC"),
    EventKind.MONITOR_RESUMED: ("Shop was resumed", Severity.INFO, "2025-08-09 12:00:00 UTC"),
    EventKind.CERTIFICATE_EXPIRING: (
        "The certificate of shop.example.com expires in 7 days",
        Severity.WARNING,
        "It ends on 2025-08-16 12:00:00 UTC.\nMonitor: Shop\n",
    ),
    EventKind.DOMAIN_EXPIRING: (
        "The domain example.com expires in 30 days",
        Severity.WARNING,
        "It ends on 2025-09-08 12:00:00 UTC.\nMonitor: Shop",
    ),
    EventKind.INCIDENT_OPENED: (
        "New incident: Shop is down", Severity.CRITICAL, "Down since 2025-08-09 11:56:48 UTC, for 3 min 12 s.",
    ),
    EventKind.INCIDENT_ACKNOWLEDGED: ("Acknowledged: Shop is down", Severity.INFO, "By ann."),
    EventKind.INCIDENT_ESCALATED: (
        "Shop is down: nobody has acknowledged for 3 min 12 s", Severity.CRITICAL, "Down since 2025-08-09 11:56:48 UTC",
    ),
    EventKind.INCIDENT_RESOLVED: ("Resolved: Shop is down", Severity.RESOLVED, "It lasted 3 min 12 s."),
    EventKind.MAINTENANCE_STARTED: (
        "Maintenance began: Database upgrade", Severity.INFO, "Until 2025-08-09 13:00:00 UTC.",
    ),
    EventKind.MAINTENANCE_ENDED: ("Maintenance is over: Database upgrade", Severity.INFO, "2025-08-09 12:00:00 UTC"),
    EventKind.BACKEND_DOWN: ("Backend app-1 is down", Severity.CRITICAL, "Health check failed"),
    EventKind.BACKEND_UP: ("Backend app-1 is up", Severity.RESOLVED, "2025-08-09 12:00:00 UTC"),
    EventKind.BACKEND_RESTARTED: ("Backend app-1 was restarted", Severity.WARNING, "Restarts so far: 1."),
    EventKind.RECOVERY_EXHAUSTED: (
        "Backend app-1 stays down: restarts did not help",
        Severity.CRITICAL,
        "Restarts so far: 3.\nHealth check failed",
    ),
    EventKind.DEPLOYMENT_STARTED: ("Deployment of shop began", Severity.INFO, "2025-08-09 12:00:00 UTC"),
    EventKind.DEPLOYMENT_SUCCEEDED: ("Deployment of shop succeeded", Severity.RESOLVED, "It took 42 s."),
    EventKind.DEPLOYMENT_FAILED: (
        "Deployment of shop failed", Severity.CRITICAL, "It took 17 s.\nthe image could not be pulled",
    ),
    EventKind.NODE_JOINED: ("Node node-3 joined", Severity.INFO, "2025-08-09 12:00:00 UTC"),
    EventKind.NODE_LEFT: ("Node node-3 left", Severity.INFO, "2025-08-09 12:00:00 UTC"),
    EventKind.NODE_FAILED: ("Node node-3 is gone", Severity.CRITICAL, "2025-08-09 12:00:00 UTC"),
    EventKind.LEADER_ELECTED: ("Node node-3 leads now", Severity.INFO, "2025-08-09 12:00:00 UTC"),
    EventKind.REBALANCED: ("The schedule was divided anew", Severity.INFO, "2025-08-09 12:00:00 UTC"),
    EventKind.SCHEDULE_LAG: ("Watchkeeper is behind its schedule", Severity.WARNING, "checks are 34 s late"),
    EventKind.QUEUE_LAG: ("Watchkeeper's jobs wait for too long", Severity.WARNING, "a job waits for 61 s"),
    EventKind.NO_WORKER: ("Nothing is checked: Watchkeeper has no worker", Severity.CRITICAL, "no worker for 30 s"),
    EventKind.CHANNEL_FAILING: ("The channel On call fails", Severity.CRITICAL, "answered 404 Not Found"),
    EventKind.DISK_FULL: ("Watchkeeper's disk is nearly full", Severity.CRITICAL, "4 % of 40 GB are free"),
    EventKind.NETWORK_GONE: ("Watchkeeper's own network is gone", Severity.CRITICAL, "no name can be resolved"),
    EventKind.RESULTS_LOST: (
        "Checks bring no results",
        Severity.CRITICAL,
        "results of checks are missing: 12 checks had none",
    ),
    EventKind.ALERTS_STUCK: (
        "Alerts are not sent",
        Severity.CRITICAL,
        "an alert was due 42 s ago and was not sent",
    ),
    EventKind.CLOCK: ("Watchkeeper's clock jumped", Severity.CRITICAL, "the clock of worker-a-1 moved by -3600 s"),
    EventKind.RECOVERED: ("Watchkeeper keeps its schedule again", Severity.RESOLVED, "checks are on time"),
    EventKind.TEST: ("Test message from Watchkeeper", Severity.INFO, "This is a test: the channel works."),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(EventKind))
def test_every_event_has_a_text(kind: EventKind) -> None:
    title, mood, text = EXPECTED[kind]
    rendered = compose_text(example(kind))
    assert (rendered.title, rendered.severity) == (title, mood)
    assert rendered.text.startswith(text)


@pytest.mark.parametrize("kind", list(EventKind))
def test_an_event_without_data_has_a_text(kind: EventKind) -> None:
    text = compose_text(Message(delivery_id="1", event=kind, at=sample_messages.AT))
    assert text.text.endswith("2026-11-22 12:00:00 UTC")
    assert str(kind) not in text.title
    assert not re.search(r"[{}]|None| {2}|: $|: for", text.title)


def test_a_reminder_is_one_in_its_title() -> None:
    again = sample_messages.message(at=sample_messages.AT + timedelta(hours=3), reminder=True)
    assert compose_text(again).title.endswith(" is still down, for 3 h")


@pytest.mark.parametrize(
    ("facts", "expected", "mood"),
    [
        ({"days": 1, "expires_at": "2026-11-23T14:00:00Z"}, "expires in 1 day", Severity.WARNING),
        ({"days": 0, "expires_at": "2026-11-22T18:00:00Z"}, "expires today", Severity.WARNING),
        ({"days": 0, "expires_at": "2026-11-22T12:00:00Z"}, "has expired", Severity.CRITICAL),
        ({"days": -3}, "has expired", Severity.CRITICAL),
        ({"expires_at": "2026-11-25T13:00:00+00:00"}, "expires in 3 days", Severity.WARNING),
        ({"expires_at": "next week"}, "expires soon", Severity.WARNING),
    ],
)
def test_an_expiry_has_its_date_and_whether_it_has_passed(facts: dict[str, Any], expected: str, mood: Severity) -> None:
    text = compose_text(sample_messages.message(event=EventKind.DOMAIN_EXPIRING, facts={"name": "a.example"} | facts))
    assert (text.title, text.severity) == (f"The domain a.example {expected}", mood)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("system.channel_failing", "The channel On call works again"),
        ("disk_full", "Watchkeeper's disk has room again"),
        ("another", "A trouble of Watchkeeper's is over"),
    ],
)
def test_a_trouble_that_is_over_is_named(what: str, expected: str) -> None:
    facts = {"what": what, "channel": {"id": "7", "name": "On call"}}
    assert compose_text(sample_messages.message(event=EventKind.RECOVERED, facts=facts)).title == expected


def test_an_incident_without_a_monitor_is_not_called_down() -> None:
    facts = {"incident": {"id": "7", "title": "Fire drill"}}
    text = compose_text(sample_messages.message(event=EventKind.INCIDENT_OPENED, monitor=None, msg="", facts=facts))
    assert text.title == "New incident: Fire drill"
    assert text.text.startswith("Since 2026-11-22 12:00:00 UTC.\n")


def test_a_late_message_begins_with_its_delay() -> None:
    assert compose_text(sample_messages.message(late_s=7_900)).text.startswith(
        "Late: this happened 2 h ago.\nDown since"
    )


def test_the_acknowledge_link_is_the_last_line_unless_left_out() -> None:
    linked = sample_messages.message(ack_url="https://wk.example/ack/1")
    assert compose_text(linked).text.splitlines()[-1] == "Acknowledge: https://wk.example/ack/1"
    assert "https" not in compose_text(linked, with_link=False).text


def test_a_channels_templates_replace_the_default_text() -> None:
    text = compose_text(
        sample_messages.message(title="Uh\noh", text="Look.", ack_url="https://wk.example/ack/1", late_s=9_000)
    )
    assert (text.title, text.text, text.severity) == ("Uh oh", "Look.", Severity.CRITICAL)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "name", "title"]), inner),
    max_leaves=5,
)
FACTS = [
    "after", "backend", "by", "channel", "days", "ends_at", "error", "expires_at", "incident", "lag", "maintenance",
    "name", "node_id", "note", "parent", "project", "restarts", "title", "what",
]  # fmt: skip


@for_any(st.sampled_from(EventKind), st.text(), st.text(), st.dictionaries(st.sampled_from(FACTS), JSON))
def test_a_title_is_one_line_whatever_an_event_holds(
    kind: EventKind, name: str, msg: str, facts: dict[str, Any]
) -> None:
    shop = sample_messages.MessageMonitor(id="1", name=name, type="http")
    text = compose_text(sample_messages.message(event=kind, monitor=shop, msg=msg, facts=facts))
    assert len(text.title.splitlines()) == 1
    assert len(text.title) <= 200
    assert "\x00" not in text.title
    assert len(text.text.split("\n")) <= 4


def test_a_name_with_braces_is_only_a_name() -> None:
    odd = sample_messages.MessageMonitor(id="1", name="{monitor.__class__} {{ 7 | times: 7 }}", type="http")
    assert compose_text(sample_messages.message(monitor=odd)).title == "{monitor.__class__} {{ 7 | times: 7 }} is down"


def test_bidirectional_control_characters_are_removed() -> None:
    assert one_line("a\u202egpj.exe\u2066b", 50) == "a gpj.exe b"


def test_a_long_text_is_cut_visibly() -> None:
    assert one_line("abcdef", 4) == "abc…"
