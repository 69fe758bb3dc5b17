"""Of each outage only the newest word goes, and nothing goes before its elders."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from hypothesis import given, strategies as st

from app.domain.alerting.collapsing import BY_RECOVERY, BY_REMINDER, GATED, GROUPED, RESENT, Open, collapsed, in_order
from schema.events import Event, EventKind

DOWN, UP, SLOW = EventKind.MONITOR_DOWN, EventKind.MONITOR_UP, EventKind.MONITOR_DEGRADED


def row(*kinds: EventKind, monitor_id: str | None = "web", **changes: Any) -> list[Open]:
    """Open deliveries a to z, oldest first."""
    return [
        Open(
            id=chr(97 + number),
            channel_id="ops",
            event=Event(id=f"e{number}", event=kind, at=datetime.fromtimestamp(number, UTC), monitor_id=monitor_id),
            at_ms=number,
            **changes,
        )
        for number, kind in zip(count(), kinds, strict=False)
    ]


@pytest.mark.parametrize(
    ("kinds", "needless"),
    [
        ([DOWN], {}),
        ([UP], {}),
        ([DOWN, UP], {"a": BY_RECOVERY}),
        ([DOWN, DOWN], {"a": BY_REMINDER}),
        ([DOWN, DOWN, DOWN, UP], {"a": BY_REMINDER, "b": BY_REMINDER, "c": BY_RECOVERY}),
        ([DOWN, UP, DOWN, UP], {"a": BY_RECOVERY, "c": BY_RECOVERY}),  # two outages are two messages
        ([UP, DOWN], {}),
        ([DOWN, SLOW, UP], {"a": BY_RECOVERY}),
        ([UP, UP], {}),
    ],
)
def test_one_message_for_each_outage(kinds, needless):
    assert collapsed(row(*kinds), ()) == needless


def test_a_down_that_is_being_sent_stays():
    down, up = row(DOWN, UP)
    assert collapsed([*row(DOWN, leased=True), up], ()) == {}
    assert collapsed([down, up], ()) == {"a": BY_RECOVERY}


@pytest.mark.parametrize("changes", [{"bound": True}, {"course": RESENT}])
def test_what_must_go_as_it_is_stays(changes):
    assert collapsed([*row(DOWN, **changes), row(DOWN, UP)[1]], ()) == {}


def test_a_recovery_that_may_not_go_tells_nothing():
    assert collapsed(row(DOWN, UP), {"b"}) == {}
    assert collapsed([row(DOWN)[0], *row(DOWN, UP, course=GATED, is_free=False)[1:]], ()) == {}


def test_an_outage_of_another_monitor_is_another_outage():
    assert collapsed([*row(DOWN), row(DOWN, UP, monitor_id="db")[1]], ()) == {}


@given(st.lists(st.sampled_from([DOWN, UP, SLOW]), max_size=12))
def test_the_newest_word_is_always_left(kinds):
    found = row(*kinds)
    left = [one.kind for one in found if one.id not in collapsed(found, ())]
    assert left.count(UP) == kinds.count(UP)
    outages = [kind for kind in left if kind is not SLOW]
    assert all(one is UP or index == len(outages) - 1 for index, one in enumerate(outages))
    assert not kinds or DOWN not in kinds[-1:] or left[-1] is DOWN


def ids(found: list[Open]) -> list[str]:
    return [one.id for one in found]


def test_only_the_eldest_of_a_monitor_goes():
    found = row(DOWN, SLOW, UP)
    assert ids(in_order(found, found, (), together=False)) == ["a"]
    assert ids(in_order(found[1:], found, {"a"}, together=False)) == ["b"]


def test_those_of_one_message_need_not_wait_for_each_other():
    found = row(DOWN, SLOW)
    assert ids(in_order(found, found, (), together=True)) == ["a", "b"]


def test_who_is_being_sent_holds_the_juniors_back():
    found = [*row(DOWN, leased=True, is_free=False), row(DOWN, SLOW)[1]]
    assert in_order(found[1:], found, (), together=True) == []


@pytest.mark.parametrize("course", [GATED, RESENT])
def test_what_is_held_back_or_asked_for_holds_nobody(course):
    found = [*row(DOWN, course=course, is_free=False), row(DOWN, SLOW)[1]]
    assert ids(in_order(found[1:], found, (), together=False)) == ["b"]


def test_what_waits_for_others_is_waited_for_and_goes_with_its_junior():
    found = row(UP, DOWN, course=GROUPED)
    assert ids(in_order(found[1:], found, (), together=True)) == []
    assert ids(in_order(found, found, (), together=True)) == ["a", "b"]


def test_what_is_about_no_monitor_has_no_order():
    found = row(EventKind.SCHEDULE_LAG, EventKind.RECOVERED, monitor_id=None)
    assert ids(in_order(found, found, (), together=False)) == ["a", "b"]
