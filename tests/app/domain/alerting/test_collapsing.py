"""Of each outage only the newest delivery is sent, and none before an older one."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from hypothesis import given, strategies as st

from app.domain.alerting.collapsing import (
    GROUPED,
    HELD,
    RESENT,
    OpenDelivery,
    collapse_outages,
    select_in_order,
    superseded_recoveries,
)
from schema.deliveries import ReasonCode
from schema.events import Event, EventKind

DOWN, UP, SLOW = EventKind.MONITOR_DOWN, EventKind.MONITOR_UP, EventKind.MONITOR_DEGRADED
COLLAPSED_INTO_RECOVERY, COLLAPSED_INTO_REMINDER = (
    ReasonCode.COLLAPSED_INTO_RECOVERY,
    ReasonCode.COLLAPSED_INTO_REMINDER,
)


def row(*kinds: EventKind, monitor_id: str | None = "web", **changes: Any) -> list[OpenDelivery]:
    """Open deliveries a to z, oldest first."""
    return [
        OpenDelivery(
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
        ([DOWN, UP], {"a": COLLAPSED_INTO_RECOVERY}),
        ([DOWN, DOWN], {"a": COLLAPSED_INTO_REMINDER}),
        (
            [DOWN, DOWN, DOWN, UP],
            {"a": COLLAPSED_INTO_REMINDER, "b": COLLAPSED_INTO_REMINDER, "c": COLLAPSED_INTO_RECOVERY},
        ),
        (
            [DOWN, UP, DOWN, UP],
            {"a": COLLAPSED_INTO_RECOVERY, "c": COLLAPSED_INTO_RECOVERY},
        ),  # two outages are two messages
        ([UP, DOWN], {}),
        ([DOWN, SLOW, UP], {"a": COLLAPSED_INTO_RECOVERY}),
        ([UP, UP], {}),
    ],
)
def test_each_outage_is_collapsed_into_one_message(kinds, needless):
    assert collapse_outages(row(*kinds), ()) == needless


def test_a_down_that_is_being_sent_stays():
    down, up = row(DOWN, UP)
    assert collapse_outages([*row(DOWN, leased=True), up], ()) == {}
    assert collapse_outages([down, up], ()) == {"a": COLLAPSED_INTO_RECOVERY}


@pytest.mark.parametrize("changes", [{"in_sent_digest": True}, {"hold": RESENT}])
def test_resent_and_digest_deliveries_are_not_collapsed(changes):
    assert collapse_outages([*row(DOWN, **changes), row(DOWN, UP)[1]], ()) == {}


def test_a_suppressed_recovery_sends_nothing():
    assert collapse_outages(row(DOWN, UP), {"b"}) == {}
    assert collapse_outages([row(DOWN)[0], *row(DOWN, UP, hold=HELD, is_ready=False)[1:]], ()) == {}


def test_an_outage_of_another_monitor_is_another_outage():
    assert collapse_outages([*row(DOWN), row(DOWN, UP, monitor_id="db")[1]], ()) == {}


@given(st.lists(st.sampled_from([DOWN, UP, SLOW]), max_size=12))
def test_the_newest_delivery_is_never_collapsed(kinds):
    found = row(*kinds)
    left = [one.kind for one in found if one.id not in collapse_outages(found, ())]
    assert left.count(UP) == kinds.count(UP)
    outages = [kind for kind in left if kind is not SLOW]
    assert all(one is UP or index == len(outages) - 1 for index, one in enumerate(outages))
    assert not kinds or DOWN not in kinds[-1:] or left[-1] is DOWN


def ids(found: list[OpenDelivery]) -> list[str]:
    return [one.id for one in found]


def test_only_the_oldest_delivery_of_a_monitor_is_sent():
    found = row(DOWN, SLOW, UP)
    assert ids(select_in_order(found, found, (), is_digest=False)) == ["a"]
    assert ids(select_in_order(found[1:], found, {"a"}, is_digest=False)) == ["b"]


def test_those_of_one_message_need_not_wait_for_each_other():
    found = row(DOWN, SLOW)
    assert ids(select_in_order(found, found, (), is_digest=True)) == ["a", "b"]


def test_a_delivery_being_sent_blocks_newer_ones():
    found = [*row(DOWN, leased=True, is_ready=False), row(DOWN, SLOW)[1]]
    assert select_in_order(found[1:], found, (), is_digest=True) == []


@pytest.mark.parametrize("course", [HELD, RESENT])
def test_held_or_resent_deliveries_block_no_other(course):
    found = [*row(DOWN, hold=course, is_ready=False), row(DOWN, SLOW)[1]]
    assert ids(select_in_order(found[1:], found, (), is_digest=False)) == ["b"]


def test_a_waiting_delivery_is_sent_with_its_newer_one():
    found = row(UP, DOWN, hold=GROUPED)
    assert ids(select_in_order(found[1:], found, (), is_digest=True)) == []
    assert ids(select_in_order(found, found, (), is_digest=True)) == ["a", "b"]


def test_deliveries_without_a_monitor_are_not_ordered():
    found = row(EventKind.SCHEDULE_LAG, EventKind.RECOVERED, monitor_id=None)
    assert ids(select_in_order(found, found, (), is_digest=False)) == ["a", "b"]


@pytest.mark.parametrize(
    ("changes", "blocks"),
    [({}, True), ({"partly_sent": True}, False), ({"partly_sent": True, "leased": True}, True)],
)
def test_newer_ones_do_not_wait_for_one_that_some_recipients_have(changes, blocks):
    (delivery,) = row(SLOW, **changes)
    assert delivery.blocks is blocks


@pytest.mark.parametrize(("partly_sent", "superseded"), [(True, ["a"]), (False, [])])
def test_a_recovery_that_some_have_is_not_sent_beside_a_newer_outage(partly_sent, superseded):
    deliveries = row(UP, DOWN, partly_sent=partly_sent)
    assert superseded_recoveries(deliveries, {"a", "b"}) == superseded
