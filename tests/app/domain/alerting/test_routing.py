"""Which channels are notified: event patterns, and what links a channel to a monitor."""

import pytest
from hypothesis import given, strategies as st

from app.domain.alerting import routing
from app.domain.alerting.routing import ChannelSubscription, EventRouter
from schema.channels.rules import DEFAULT_EVENTS
from schema.events import EventKind

DOWN, LAG = EventKind.MONITOR_DOWN, EventKind.SCHEDULE_LAG
KINDS = st.sampled_from(EventKind)
PATTERNS = st.sampled_from(["*", "monitor.*", "system.*", *map(str, EventKind)])
LISTENERS = st.lists(
    st.builds(
        ChannelSubscription,
        id=st.sampled_from("abcdef"),
        events=st.lists(PATTERNS, min_size=1, max_size=3).map(tuple),
        is_webhook=st.booleans(),
        is_default=st.booleans(),
        all_monitors=st.booleans(),
    ),
    unique_by=lambda one: one.id,
    max_size=6,
)
TIED = st.none() | st.sets(st.sampled_from("abcdefgh"))
SUBJECT = st.none() | st.sampled_from("abc")


def listener(id_: str = "ops", *events: str, **changes) -> ChannelSubscription:
    return ChannelSubscription(id=id_, events=events or DEFAULT_EVENTS, **changes)


def ids(listeners, kind=DOWN, **about) -> list[str]:
    return [one.id for one in EventRouter(listeners).recipients(kind, **about)]


@pytest.mark.parametrize(
    ("pattern", "kind", "is_meant"),
    [
        ("*", "monitor.down", True),
        ("monitor.*", "monitor.down", True),
        ("monitor.down", "monitor.down", True),
        ("monitor.down", "monitor.up", False),
        ("monitor.*", "channel.test", False),
        ("monitor.d*", "monitor.down", False),
        ("monitor", "monitor.down", False),
        ("mon.*", "monitor.down", False),
    ],
)
def test_a_pattern_is_a_name_or_the_names_before_a_dot_or_everything(pattern, kind, is_meant):
    assert routing.matches((pattern,), kind) is is_meant


def test_a_pattern_that_means_no_event_there_is_has_its_place_named():
    assert routing.unknown_patterns(["monitor.down", "monitor.downn", "*", "weather.*", "incident.*"]) == [1, 3]


@pytest.mark.parametrize(
    ("one", "tied", "is_told"),
    [
        (listener(), {"ops"}, True),  # linked, by a tag, or notified of the incident before
        (listener(), {"dev"}, False),
        (listener(all_monitors=True), set(), True),
        (listener("ops", "monitor.up"), {"ops"}, False),
        (listener("ops", "monitor.up", all_monitors=True), {"ops"}, False),
        (listener(is_default=True), set(), False),  # default means: new monitors are linked to it
    ],
)
def test_an_event_of_a_monitor_goes_to_subscribed_and_linked_channels(one, tied, is_told):
    assert bool(ids([one], linked_ids=tied)) is is_told


def test_an_event_without_a_monitor_goes_to_subscribers():
    assert ids([listener("a"), listener("b", "deployment.*")], EventKind.DEPLOYMENT_FAILED) == ["b"]


def test_a_test_event_goes_to_its_channel_only():
    assert ids([listener("a", "*", all_monitors=True)], EventKind.TEST) == []


@pytest.mark.parametrize(
    ("listeners", "notified"),
    [
        ([listener("a"), listener("b", "system.*")], ["b"]),
        ([listener("a"), listener("b", is_default=True)], ["b"]),
        ([listener("a"), listener("b")], ["a", "b"]),
        ([listener("a"), listener("hook", "*", is_webhook=True)], ["hook", "a"]),  # webhooks come first
        ([listener("hook", "monitor.*", is_webhook=True)], []),
        ([listener("a", "*"), listener("hook", "*", is_webhook=True)], ["a", "hook"]),
    ],
)
def test_our_own_failures_reach_a_channel_without_a_subscription(listeners, notified):
    assert ids(listeners, LAG) == notified


@pytest.mark.parametrize(
    ("listeners", "notified"),
    [
        ([listener("broken", "*"), listener("b")], ["b"]),
        ([listener("broken", is_default=True), listener("b")], ["b"]),
        ([listener("broken", "*")], []),
    ],
)
def test_a_channel_does_not_get_its_own_failure(listeners, notified):
    assert ids(listeners, EventKind.CHANNEL_FAILING, subject_id="broken") == notified


@given(LISTENERS, KINDS, TIED, SUBJECT)
def test_no_channel_gets_an_event_twice_or_about_itself(listeners, kind, tied, subject):
    notified = ids(listeners, kind, linked_ids=tied, subject_id=subject)
    assert len(notified) == len(set(notified))
    assert subject not in notified


@given(LISTENERS, KINDS.filter(lambda kind: kind is not EventKind.TEST), TIED)
def test_exactly_subscribed_channels_linked_or_global_get_a_monitor_s_event(listeners, kind, tied):
    notified = ids(listeners, kind, linked_ids=tied or set())
    wanting = {one.id for one in listeners if routing.matches(one.events, kind)}
    everywhere = {one.id for one in listeners if one.all_monitors}
    assert set(notified) == wanting & (everywhere | (tied or set()))


@given(LISTENERS, SUBJECT)
def test_our_own_troubles_always_reach_a_person_if_there_is_one(listeners, subject):
    people = {one.id for one in listeners if not one.is_webhook and one.id != subject}
    assert bool(people & set(ids(listeners, LAG, subject_id=subject))) is bool(people)


@pytest.mark.parametrize(
    ("patterns", "kind", "data", "is_silent"),
    [
        (("monitor.down",), EventKind.INCIDENT_RESOLVED, {}, True),
        (("monitor.down", "incident.*"), EventKind.INCIDENT_RESOLVED, {}, False),
        (("monitor.up",), EventKind.INCIDENT_RESOLVED, {"ended_by": "monitor.paused"}, False),
        (("monitor.down",), EventKind.INCIDENT_ACKNOWLEDGED, {}, True),
        (("certificate.*",), EventKind.MONITOR_CLEARED, {}, True),
        (("*",), EventKind.MONITOR_CLEARED, {}, False),
        (("monitor.down",), EventKind.RECOVERED, {}, False),  # it is the default channel of the system's events
        (("monitor.down",), EventKind.MONITOR_DOWN, {}, False),
        (("incident.*",), EventKind.MONITOR_DOWN, {}, False),
    ],
)
def test_an_end_without_a_subscription_is_silent(patterns, kind, data, is_silent):
    assert routing.is_silent(patterns, kind, data) is is_silent
