"""What becomes of a delivery: the rules one by one, and what they decide together."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from app.domain.alerting.circuit_breaker import CircuitState
from app.domain.alerting.delivery_facts import (
    ALERT_EVENTS,
    GROUPED,
    HELD,
    RESENT,
    Action,
    Decision,
    OpenDelivery,
)
from app.domain.alerting.delivery_rules import LEAVE, PASSES, RECHECK_MS, RELEASE_WINDOW_MS, SEND
from app.domain.alerting.grouping import BurstCapacity
from app.domain.alerting.reasons import Reason
from schema.channels.rules import ChannelRules, Grouping, QuietHours
from schema.deliveries import ReasonCode
from schema.events import EventKind
from tests.app.domain.alerting.rule_cases import (
    ALWAYS,
    BEHIND_ROUTER,
    BY_RECOVERY,
    BY_REMINDER,
    DOWN,
    NIGHT_ENDS,
    NOW,
    SECOND,
    SLOW,
    SUPPRESSED,
    UP,
    alert,
    decision,
    held,
    plan,
    row,
    why,
)


@pytest.mark.parametrize("kind", EventKind)
def test_events_are_sent_when_no_rule_applies(kind):
    assert decision(kind) == SEND


@pytest.mark.parametrize("kind", [one for one in EventKind if one is not EventKind.TEST])
def test_in_quiet_hours_everything_waits_until_they_end(kind):
    assert decision(kind, quiet_hours=ALWAYS) == held(NIGHT_ENDS, ReasonCode.QUIET_HOURS)


@pytest.mark.parametrize(
    "channel",
    [
        {"rules": ChannelRules(quiet_hours=ALWAYS)},
        {"active": False},
        {"circuit": CircuitState(disabled=True)},
        {"circuit": CircuitState(5, NOW + SECOND)},
        {"circuit": CircuitState(5, NOW)},
    ],
)
def test_a_test_event_is_sent_at_once(channel):
    assert plan(row(EventKind.TEST), now_ms=NOW + 24 * 3_600_000, **channel) == {"a": SEND}
    assert plan(row(EventKind.TEST), **channel) == {"a": SEND}


@pytest.mark.parametrize(
    ("named", "kind", "goes"),
    [
        (["monitor.down"], DOWN, True),
        (["monitor.*"], UP, True),
        (["incident.*"], DOWN, False),
        (["*"], EventKind.DISK_FULL, True),
    ],
)
def test_events_that_a_channel_named_are_sent_in_quiet_hours(named, kind, goes):
    quiet = QuietHours(start="00:00", end="23:59", except_events=named)
    assert (decision(kind, quiet_hours=quiet) == SEND) is goes


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        ({"is_deleted": True}, Decision(Action.SUPPRESS, reason=Reason(ReasonCode.CHANNEL_DELETED))),
        (
            {"circuit": CircuitState(disabled=True), "disabled_reason": "401", "active": False},
            Decision(Action.FAIL, reason=Reason(ReasonCode.CHANNEL_DISABLED, error="401")),
        ),
        ({"active": False}, Decision(Action.SUPPRESS, reason=Reason(ReasonCode.CHANNEL_INACTIVE))),
        ({"circuit": CircuitState(5, NOW + SECOND)}, LEAVE),
    ],
)
def test_a_channel_that_takes_nothing_decides_for_all(channel, expected):
    assert plan(row(DOWN, SLOW, EventKind.SCHEDULE_LAG), **channel) == dict.fromkeys("abc", expected)


def test_an_expired_delivery_is_dead_even_when_the_circuit_is_open():
    reason = Reason(ReasonCode.EXPIRED, error="no", give_up_after_s=3_600)
    found = plan(row(DOWN, error="no"), now_ms=NOW + 3_600_001, circuit=CircuitState(9, NOW + 9_000_000))
    assert found == {"a": Decision(Action.FAIL, reason=reason)}
    assert plan(row(DOWN), now_ms=NOW + 3_600_000) == {"a": SEND}


@pytest.mark.parametrize(("after_ms", "action"), [(0, "wait"), (59_999, "wait"), (60_000, "send"), (600_000, "send")])
def test_an_outage_is_sent_when_it_has_lasted_for_the_channel_s_minimum(after_ms, action):
    found = decision(min_outage=60, now_ms=NOW + after_ms)
    assert found.action == action
    assert found.until_ms == (NOW + 60 * SECOND if action == "wait" else 0)


@pytest.mark.parametrize(("ended_s", "reason"), [(59, ReasonCode.RECOVERED_EARLY), (60, "(send)"), (90, "(send)")])
def test_an_outage_that_ended_before_is_suppressed_and_a_longer_one_is_sent(ended_s, reason):
    assert why(min_outage=60, recovered_ms=NOW + ended_s * SECOND, now_ms=NOW + 100 * SECOND) == reason


def test_a_recovery_knows_no_minimum_and_a_reminder_only_that_of_its_outage():
    assert decision(UP, min_outage=60) == SEND
    assert decision(min_outage=60, is_reminder=True, earlier_alerts=[alert(at_ms=NOW - 60 * SECOND)]) == SEND
    early = decision(min_outage=60, is_reminder=True, earlier_alerts=[alert(at_ms=NOW - 59 * SECOND)])
    assert early == held(NOW + SECOND, ReasonCode.MIN_OUTAGE)


def test_a_clock_that_is_behind_delays_nothing():
    assert decision(now_ms=NOW - SECOND) == SEND


@pytest.mark.parametrize("kind", ALERT_EVENTS)
def test_behind_a_parent_that_is_down_nothing_alarms(kind):
    assert decision(kind, down_parent="Router") == BEHIND_ROUTER


def test_a_recovery_is_sent_though_a_parent_is_down():
    assert decision(UP, down_parent="Router") == SEND


def test_a_down_parent_suppresses_before_quiet_hours_and_minimum_apply():
    assert why(down_parent="Router", quiet_hours=ALWAYS, min_outage=60) == ReasonCode.PARENT_DOWN


@pytest.mark.parametrize(
    ("now_s", "held_s", "expected"),
    [
        (0, 30, held(NOW + RECHECK_MS, ReasonCode.PARENT_CHECK)),
        (29.5, 30, held(NOW + 30 * SECOND, ReasonCode.PARENT_CHECK)),
        (30, 30, SEND),
    ],
)
def test_an_outage_waits_for_checks_of_its_parents_but_not_for_long(now_s, held_s, expected):
    assert decision(now_ms=NOW + round(now_s * SECOND), parents_awaited_until_ms=NOW + held_s * SECOND) == expected


def test_a_reminder_and_an_escalation_do_not_wait_for_checks():
    assert decision(is_reminder=True, parents_awaited_until_ms=NOW + SECOND) == SEND
    assert decision(EventKind.INCIDENT_ESCALATED, parents_awaited_until_ms=NOW + SECOND) == SEND


def test_a_channel_of_a_group_gets_nothing_of_its_members():
    shop = Reason(ReasonCode.GROUP_ALERTS, "Shop")
    assert decision(group_reason=shop) == Decision(Action.SUPPRESS, reason=shop)


@pytest.mark.parametrize(
    ("earlier", "reason"),
    [
        ([SUPPRESSED, SUPPRESSED], ReasonCode.NOT_ALERTED),
        ([], "(send)"),
        ([SUPPRESSED, alert(state="sent", sent_ms=NOW)], "(send)"),
        ([alert()], "(send)"),
        ([alert(state="suppressed", reason_code=BY_RECOVERY)], "(send)"),  # it was sent in another message
        ([alert(released_ms=NOW - SECOND)], ReasonCode.NOT_ALERTED),  # it will be: recovered with its parent
        ([alert(released_ms=NOW - SECOND, attempts=1)], "(send)"),
    ],
)
def test_the_end_of_an_outage_that_was_not_sent_is_suppressed(earlier, reason):
    assert why(UP, recovered_ms=NOW, earlier_alerts=earlier) == reason


def test_the_end_of_an_outage_shorter_than_the_minimum_is_suppressed_with_it():
    assert why(UP, recovered_ms=NOW, min_outage=60, earlier_alerts=[alert()]) == ReasonCode.NOT_ALERTED
    assert why(UP, recovered_ms=NOW, min_outage=1, earlier_alerts=[alert()]) == "(send)"


def test_a_released_alert_is_sent_when_the_outage_lasts_and_suppressed_when_it_ended_meanwhile():
    assert decision(released_ms=NOW) == SEND
    assert why(released_ms=NOW, recovered_ms=NOW + SECOND) == ReasonCode.RECOVERED_WITH_PARENT
    # An outage of its own, alerted late.
    assert decision(released_ms=NOW, recovered_ms=NOW + RELEASE_WINDOW_MS + 1) == SEND
    assert decision(recovered_ms=NOW + SECOND) == SEND  # it was not suppressed: late, and still true


@pytest.mark.parametrize(
    ("earlier", "ended_ms", "reason"),
    [
        # The first down waited, and is read by now.
        (alert(state="sent", sent_ms=NOW + SECOND), None, ReasonCode.ALERTED_MEANWHILE),
        (alert(state="sent", sent_ms=NOW - SECOND), None, "(send)"),
        (SUPPRESSED, NOW + SECOND, ReasonCode.NOT_ALERTED),
        (SUPPRESSED, None, "(send)"),
    ],
)
def test_a_reminder_reminds_of_something(earlier, ended_ms, reason):
    assert why(is_reminder=True, earlier_alerts=[earlier], recovered_ms=ended_ms) == reason


def needless(deliveries: Sequence[OpenDelivery], **about: Any) -> dict[str, ReasonCode]:
    """Deliveries that newer ones make redundant, with the reason."""
    found = plan(deliveries, **about)
    return {id_: one.reason.code for id_, one in found.items() if one.action is Action.SUPPRESS and one.reason}


@pytest.mark.parametrize(
    ("kinds", "expected"),
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
def test_each_outage_is_collapsed_into_one_message(kinds, expected):
    assert needless(row(*kinds)) == expected
    assert needless(row(*kinds), is_webhook=True) == {}


def test_a_down_is_collapsed_past_a_reminder_that_waits():
    down, _, up = row(DOWN, DOWN, UP)
    waiting = row(DOWN, DOWN, hold=HELD, is_ready=False)[1]
    assert needless([down, waiting, up]) == {"a": BY_RECOVERY, "b": BY_RECOVERY}
    assert needless([down, waiting]) == {}


def test_a_down_that_is_being_sent_stays():
    up = row(DOWN, UP)[1]
    assert needless([*row(DOWN, leased=True, is_ready=False), up]) == {}


@pytest.mark.parametrize("changes", [{"in_sent_digest": True}, {"hold": RESENT}])
def test_resent_and_digest_deliveries_are_not_collapsed(changes):
    assert needless([*row(DOWN, **changes), row(DOWN, UP)[1]]) == {}


def test_a_recovery_that_waits_makes_nothing_redundant():
    found = [row(DOWN)[0], *row(DOWN, UP, hold=HELD, is_ready=False)[1:]]
    assert plan(found) == {"a": SEND}
    quiet = ChannelRules(quiet_hours=QuietHours(start="00:00", end="23:59", except_events=["monitor.down"]))
    assert plan(row(DOWN, UP), rules=quiet)["a"] == SEND


def test_an_outage_of_another_monitor_is_another_outage():
    assert plan([*row(DOWN), row(DOWN, UP, monitor_id="db")[1]]) == {"a": SEND, "b": SEND}


@given(st.lists(st.sampled_from([DOWN, UP, SLOW]), max_size=12))
def test_the_newest_delivery_is_never_collapsed(kinds):
    found = row(*kinds)
    left = [one.kind for one in found if one.id not in needless(found)]
    assert left.count(UP) == kinds.count(UP)
    outages = [kind for kind in left if kind is not SLOW]
    assert all(one is UP or index == len(outages) - 1 for index, one in enumerate(outages))
    assert not kinds or DOWN not in kinds[-1:] or left[-1] is DOWN


def sent(deliveries: Sequence[OpenDelivery], **about: Any) -> list[str]:
    """Ids of those that are sent now."""
    return [id_ for id_, one in plan(deliveries, **about).items() if one.action is Action.SEND]


def test_only_the_oldest_delivery_of_a_monitor_is_sent():
    assert sent(row(UP, SLOW, UP)) == ["a"]
    assert sent(row(DOWN, SLOW, UP)) == ["b"]  # the down is redundant


def test_a_delivery_being_sent_blocks_newer_ones():
    assert sent([*row(DOWN, leased=True, is_ready=False), row(DOWN, SLOW)[1]]) == []


def test_a_delivery_that_is_retried_later_blocks_newer_ones():
    assert sent([*row(DOWN, attempts=1, is_ready=False), row(DOWN, SLOW)[1]]) == []


@pytest.mark.parametrize("hold", [HELD, RESENT])
def test_held_or_resent_deliveries_block_no_other(hold):
    assert sent([*row(DOWN, hold=hold, is_ready=False), row(DOWN, SLOW)[1]]) == ["b"]


def test_newer_deliveries_do_not_wait_for_one_that_some_recipients_have():
    newer = row(SLOW, SLOW)[1]
    assert sent([*row(SLOW, partly_sent=True, is_ready=False), newer]) == ["b"]
    assert sent([*row(SLOW, partly_sent=True), newer]) == ["a", "b"]
    assert sent([*row(SLOW, partly_sent=True, leased=True, is_ready=False), newer]) == []


def test_a_recovery_that_some_recipients_have_is_not_sent_beside_a_newer_outage():
    assert needless(row(UP, DOWN, partly_sent=True)) == {"a": ReasonCode.SUPERSEDED}
    assert needless(row(UP, DOWN)) == {}


def test_deliveries_whose_hold_is_over_are_sent_in_order():
    assert sent(row(UP, DOWN, hold=HELD)) == ["a"]


def test_deliveries_without_a_monitor_are_not_ordered():
    assert sent(row(EventKind.SCHEDULE_LAG, EventKind.RECOVERED)) == ["a", "b"]


DIGESTS: dict[str, Any] = {"grouping": Grouping(max_immediate=2, window=30)}


def test_after_a_burst_the_others_wait_for_a_digest():
    found = plan(row(*[SLOW] * 3, monitor_id=None), capacity=BurstCapacity(1, NOW + 9), **DIGESTS)
    digest = Decision(Action.WAIT, NOW + 9, GROUPED, reason=Reason(ReasonCode.DIGEST))
    assert found == {"a": SEND, "b": digest, "c": digest}


def test_a_digest_that_is_due_carries_everything_in_its_newest_message():
    carried = Decision(Action.SEND, carrier_id="c")
    assert plan(row(UP, DOWN, SLOW, hold=GROUPED), **DIGESTS) == dict.fromkeys("abc", carried)
    assert plan([*row(UP, DOWN), row(*[SLOW] * 3, hold=GROUPED)[2]], **DIGESTS) == dict.fromkeys("abc", carried)


def test_a_message_that_may_have_arrived_goes_by_itself():
    first = row(DOWN, monitor_id="db", maybe_sent=True)
    found = plan([*first, *row(DOWN, SLOW, UP, hold=GROUPED)[1:]], **DIGESTS)
    assert found == {"a": SEND, "b": Decision(Action.SEND, carrier_id="c"), "c": Decision(Action.SEND, carrier_id="c")}


def test_a_digest_that_may_have_arrived_is_sent_again_as_it_was_and_waits_as_a_whole():
    members = row(UP, SLOW, in_sent_digest=True, digest_id="b", attempts=1)
    assert plan(members, **DIGESTS) == dict.fromkeys("ab", Decision(Action.SEND, carrier_id="b"))
    quiet = ChannelRules(quiet_hours=QuietHours(start="00:00", end="23:59", except_events=["monitor.up"]))
    assert plan(members, rules=quiet, **DIGESTS) == dict.fromkeys("ab", held(NIGHT_ENDS, ReasonCode.QUIET_HOURS))


HALF_OPEN = CircuitState(5, NOW)


def test_on_trial_a_channel_gets_one_message():
    found = plan([*row(UP, SLOW), row(*[DOWN] * 3, monitor_id="db")[2]], circuit=HALF_OPEN)
    assert found == {"a": Decision(Action.SEND, carrier_id="a"), "b": LEAVE, "c": LEAVE}


def test_the_message_on_trial_may_be_a_digest():
    members = row(UP, SLOW, in_sent_digest=True, digest_id="b", attempts=1)
    found = plan([*members, row(*[UP] * 3, monitor_id="db")[2]], circuit=HALF_OPEN)
    assert {id_: one.action for id_, one in found.items()} == {"a": "send", "b": "send", "c": "leave"}


def test_a_recovery_that_waits_is_suppressed_when_a_newer_outage_is_sent():
    up, down = row(UP, DOWN)
    waiting = row(UP, hold=HELD, is_ready=False)[0]
    assert needless([waiting, down]) == {"a": ReasonCode.SUPERSEDED}
    assert plan([up, down]) == {"a": SEND, "b": LEAVE}
    assert plan([waiting, down], circuit=CircuitState(5, NOW + SECOND)) == {"b": LEAVE}


def test_every_rule_is_documented_in_the_order_in_which_it_decides():
    page = (Path(__file__).parents[4] / "docs/routing.md").read_text().partition("## Order of the rules")[2]
    documented = re.findall(r"^\| `(\w+)` \|", page.partition("\n## ")[0], re.MULTILINE)
    assert documented == [rule.__name__ for one in PASSES for rule in one.rules]
