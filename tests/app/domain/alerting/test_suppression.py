"""Whether a delivery may be sent now: quiet hours, delays, dependencies, groups."""

from typing import Any

import pytest

from app.domain.alerting import suppression
from app.domain.alerting.reasons import Reason
from app.domain.alerting.suppression import Decision, DeliveryFacts, EarlierAlerts
from schema.channels.rules import ChannelRules, QuietHours
from schema.deliveries import ReasonCode
from schema.events import EventKind
from tests import make

NOW, SECOND = make.NOW_MS, 1_000
DOWN, UP = EventKind.MONITOR_DOWN, EventKind.MONITOR_UP
SEND = Decision()
BEHIND_ROUTER = Reason(ReasonCode.PARENT_DOWN, "Router")
ALWAYS = QuietHours(start="00:00", end="23:59", timezone="UTC")
NIGHT_ENDS = NOW - NOW % 86_400_000 + (24 * 60 - 1) * 60_000


def decision(kind: EventKind = DOWN, now_ms: int = NOW, **about) -> Decision:
    rules = ChannelRules(**{name: about.pop(name) for name in ("min_outage", "quiet_hours") if name in about})
    return suppression.decide(DeliveryFacts(**{"kind": kind, "at_ms": NOW, "rules": rules, **about}), now_ms)


def why(kind: EventKind = DOWN, **about) -> str:
    found = decision(kind, **about)
    return found.reason.code if found.reason and found.action == "suppress" else f"({found.action})"


@pytest.mark.parametrize("kind", EventKind)
def test_events_are_sent_when_no_rule_applies(kind):
    assert decision(kind) == SEND


@pytest.mark.parametrize("kind", [one for one in EventKind if one is not EventKind.TEST])
def test_in_quiet_hours_everything_waits_until_they_end(kind):
    assert decision(kind, quiet_hours=ALWAYS) == Decision("wait", NIGHT_ENDS, Reason(ReasonCode.QUIET_HOURS))


def test_a_test_event_is_never_delayed():
    assert decision(EventKind.TEST, quiet_hours=ALWAYS) == SEND


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


@pytest.mark.parametrize(("after_ms", "action"), [(0, "wait"), (59_999, "wait"), (60_000, "send"), (600_000, "send")])
def test_an_outage_is_sent_when_it_has_lasted_for_the_channel_s_delay(after_ms, action):
    found = decision(min_outage=60, now_ms=NOW + after_ms)
    assert found.action == action
    assert found.until_ms == (NOW + 60 * SECOND if action == "wait" else 0)


@pytest.mark.parametrize(("ended_s", "reason"), [(59, ReasonCode.RECOVERED_EARLY), (60, "(send)"), (90, "(send)")])
def test_an_outage_that_ended_before_is_suppressed_and_a_longer_one_is_sent(ended_s, reason):
    assert why(min_outage=60, recovered_ms=NOW + ended_s * SECOND, now_ms=NOW + 100 * SECOND) == reason


def test_a_recovery_knows_no_delay_and_a_reminder_only_that_of_its_outage():
    assert decision(UP, min_outage=60) == SEND
    assert decision(min_outage=60, is_reminder=True, earlier=EarlierAlerts(delayed_until_ms=NOW)) == SEND
    assert (
        decision(min_outage=60, is_reminder=True, earlier=EarlierAlerts(delayed_until_ms=NOW + SECOND)).until_ms
        == NOW + SECOND
    )


def test_a_clock_that_is_behind_delays_nothing():
    assert decision(now_ms=NOW - SECOND) == SEND


@pytest.mark.parametrize("kind", suppression.ALERT_EVENTS)
def test_behind_something_that_is_down_nothing_alarms(kind):
    assert decision(kind, down_parent="Router") == Decision("suppress", reason=BEHIND_ROUTER)


def test_a_recovery_is_sent_though_a_parent_is_down():
    assert decision(UP, down_parent="Router") == SEND


def test_a_down_parent_suppresses_before_quiet_hours_and_delays_apply():
    assert why(down_parent="Router", quiet_hours=ALWAYS, min_outage=60) == ReasonCode.PARENT_DOWN


@pytest.mark.parametrize(
    ("now_s", "held_s", "expected"),
    [
        (0, 30, Decision("wait", NOW + suppression.RECHECK_MS, Reason(ReasonCode.PARENT_CHECK))),
        (29.5, 30, Decision("wait", NOW + 30 * SECOND, Reason(ReasonCode.PARENT_CHECK))),
        (30, 30, SEND),
    ],
)
def test_an_outage_waits_for_checks_of_what_it_hangs_on_but_not_for_long(now_s, held_s, expected):
    assert decision(now_ms=NOW + round(now_s * SECOND), parents_awaited_until_ms=NOW + held_s * SECOND) == expected


def test_a_reminder_and_an_escalation_do_not_wait_for_checks():
    assert decision(is_reminder=True, parents_awaited_until_ms=NOW + SECOND) == SEND
    assert decision(EventKind.INCIDENT_ESCALATED, parents_awaited_until_ms=NOW + SECOND) == SEND


def test_the_longest_of_several_delays_applies():
    assert decision(min_outage=60, parents_awaited_until_ms=NOW + SECOND).until_ms == NOW + 60 * SECOND
    assert decision(min_outage=60, quiet_hours=ALWAYS).until_ms == NIGHT_ENDS


def test_a_channel_of_a_group_gets_nothing_of_its_members():
    shop = Reason(ReasonCode.GROUP_ALERTS, "Shop")
    assert decision(group_reason=shop) == Decision("suppress", reason=shop)


@pytest.mark.parametrize(
    ("outage", "reason"),
    [
        (EarlierAlerts(all_suppressed=True), ReasonCode.NOT_ALERTED),
        (EarlierAlerts(), "(send)"),
        (EarlierAlerts(sent_ms=NOW), "(send)"),
    ],
)
def test_the_end_of_an_outage_that_was_not_sent_is_suppressed(outage, reason):
    assert why(UP, earlier=outage) == reason


def test_a_held_event_is_sent_when_it_lasts_and_suppressed_when_it_ended_meanwhile():
    assert decision(released_ms=NOW) == SEND
    assert why(released_ms=NOW, recovered_ms=NOW + SECOND) == ReasonCode.RECOVERED_WITH_PARENT
    assert (
        decision(released_ms=NOW, recovered_ms=NOW + suppression.RELEASE_WINDOW_MS + 1) == SEND
    )  # an outage of its own, alerted late
    assert decision(recovered_ms=NOW + SECOND) == SEND  # it was not suppressed: late, and still true


@pytest.mark.parametrize(
    ("outage", "ended_ms", "reason"),
    [
        (
            EarlierAlerts(sent_ms=NOW + SECOND),
            None,
            ReasonCode.ALERTED_MEANWHILE,
        ),  # the first down waited, and is read by now
        (EarlierAlerts(sent_ms=NOW - SECOND), None, "(send)"),
        (EarlierAlerts(all_suppressed=True), NOW + SECOND, ReasonCode.NOT_ALERTED),
        (EarlierAlerts(all_suppressed=True), None, "(send)"),
    ],
)
def test_a_reminder_reminds_of_something(outage, ended_ms, reason):
    assert why(is_reminder=True, earlier=outage, recovered_ms=ended_ms) == reason


def test_exempt_alerts_may_be_delayed_but_not_suppressed():
    against: dict[str, Any] = {
        "down_parent": "Router",
        "group_reason": Reason(ReasonCode.GROUP_ALERTS, "Shop"),
        "parents_awaited_until_ms": NOW + SECOND,
        "min_outage": 60,
    }
    assert decision(is_exempt=True, **against) == SEND
    assert decision(UP, is_exempt=True, earlier=EarlierAlerts(all_suppressed=True)) == SEND
    assert decision(is_exempt=True, quiet_hours=ALWAYS).action == "wait"
