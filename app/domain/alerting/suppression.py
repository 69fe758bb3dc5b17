"""Decides whether a delivery is sent now, sent later, or suppressed. Pure.

* While a parent of a monitor is down, the monitor's alerts are suppressed, and so is its recovery.
* An outage that ends within the channel's delay is suppressed.
* While a parent is being checked, an outage waits for the result.
* Quiet hours make every event wait, except for those that the channel excludes.

Webhooks receive every event: only people are spared. What was attempted before is never suppressed afterwards, since
somebody may have read it.
"""

from typing import Literal

from msgspec import Struct

from app.domain.alerting import quiet_hours, routing
from app.domain.alerting.reasons import Reason
from schema.channels.rules import ChannelRules
from schema.deliveries import ReasonCode
from schema.events import EventKind

ALERT_EVENTS = (EventKind.MONITOR_DOWN, EventKind.INCIDENT_OPENED, EventKind.INCIDENT_ESCALATED)
PARENT_CHECKED_EVENTS = (EventKind.MONITOR_DOWN, EventKind.INCIDENT_OPENED)
RECOVERY_EVENTS = (EventKind.MONITOR_UP, EventKind.INCIDENT_RESOLVED)
SUPPRESSIBLE_EVENTS = (*ALERT_EVENTS, *RECOVERY_EVENTS)  # quiet hours alone do not decide on these
NEVER_ALERTED_CODES = frozenset(
    {  # suppressed for these, and nobody is alerted to the outage by another message
        *(ReasonCode.PARENT_DOWN, ReasonCode.GROUP_ALERTS, ReasonCode.MEMBERS_ALERT),
        *(ReasonCode.RECOVERED_EARLY, ReasonCode.RECOVERED_WITH_PARENT, ReasonCode.NOT_ALERTED),
    }
)
RECHECK_MS = 1_000  # until a delivery that waits for another monitor's check is decided on again
RELEASE_WINDOW_MS = 300_000  # an outage that ends within this time after its release recovered with its parent


class Decision(Struct, frozen=True):
    """Whether a delivery may be sent now.

    until_ms  of "wait": when to decide again
    reason    of "wait" and "suppress"
    """

    action: Literal["send", "wait", "suppress"] = "send"
    until_ms: int = 0
    reason: Reason | None = None


class EarlierAlerts(Struct, frozen=True, kw_only=True):
    """The other downs and escalations of a delivery's outage, on its channel.

    all_suppressed    there are some, and each was or will be suppressed
    sent_ms           when the first of them was sent; None: not yet
    delayed_until_ms  until when the first of them waits for the channel's delay; 0: it does not
    """

    all_suppressed: bool = False
    sent_ms: int | None = None
    delayed_until_ms: int = 0


class DeliveryFacts(Struct, frozen=True, kw_only=True):
    """All that the decision on one delivery depends on.

    at_ms                     of the event
    is_exempt                 it can be delayed but not suppressed: it was attempted before, or its channel is a webhook
    is_reminder               a repeated down
    released_ms               when it was released because its parent had recovered; None: it was not suppressed
    recovered_ms              when the outage ended; None: it lasts
    down_parent               the name of the nearest ancestor that is down
    parents_awaited_until_ms  until when it waits for checks of its ancestors; 0: for none
    group_reason              why its group, or the group's members, alert instead
    """

    kind: EventKind
    at_ms: int
    rules: ChannelRules
    is_exempt: bool = False
    is_reminder: bool = False
    released_ms: int | None = None
    recovered_ms: int | None = None
    down_parent: str | None = None
    parents_awaited_until_ms: int = 0
    group_reason: Reason | None = None
    earlier: EarlierAlerts = EarlierAlerts()


def has_recovered_with_parent(released_ms: int | None, recovered_ms: int | None) -> bool:
    """Whether a released outage ended soon after its parent's: it needs no alert."""
    return released_ms is not None and recovered_ms is not None and recovered_ms <= released_ms + RELEASE_WINDOW_MS


def decide(facts: DeliveryFacts, now_ms: int) -> Decision:
    """Whether a delivery is sent, waits, or is suppressed."""
    if facts.kind is EventKind.TEST:
        return Decision()
    is_suppressible = facts.kind in SUPPRESSIBLE_EVENTS and not facts.is_exempt
    if is_suppressible and (reason := suppression_reason(facts)):
        return Decision("suppress", reason=reason)
    waits = {ReasonCode.QUIET_HOURS: _quiet_until_ms(facts, now_ms)}
    if is_suppressible:
        waits[ReasonCode.MIN_OUTAGE] = _delay_ends_ms(facts)
        waits[ReasonCode.PARENT_CHECK] = _parent_checked_by_ms(facts, now_ms)
    code = max(waits, key=waits.__getitem__)
    return Decision("wait", waits[code], Reason(code)) if waits[code] > now_ms else Decision()


def suppression_reason(facts: DeliveryFacts) -> Reason | None:
    """Why a delivery is suppressed; None when it is not."""
    if facts.kind in RECOVERY_EVENTS:
        return Reason(ReasonCode.NOT_ALERTED) if facts.earlier.all_suppressed else None
    if code := _outdated_code(facts):
        return Reason(code)
    return Reason(ReasonCode.PARENT_DOWN, facts.down_parent) if facts.down_parent else facts.group_reason


def _outdated_code(facts: DeliveryFacts) -> ReasonCode | None:
    """Why an alert is out of date; None when it is not."""
    with_parent = has_recovered_with_parent(facts.released_ms, facts.recovered_ms)
    if facts.kind is not EventKind.MONITOR_DOWN:
        return ReasonCode.RECOVERED_WITH_PARENT if with_parent else None
    if facts.is_reminder:
        sent_ms = facts.earlier.sent_ms
        if sent_ms is not None and sent_ms > facts.at_ms:
            return ReasonCode.ALERTED_MEANWHILE
        return ReasonCode.NOT_ALERTED if facts.earlier.all_suppressed and facts.recovered_ms is not None else None
    if facts.recovered_ms is None:
        return None
    if facts.recovered_ms < facts.at_ms + facts.rules.min_outage * 1000:
        return ReasonCode.RECOVERED_EARLY
    return ReasonCode.RECOVERED_WITH_PARENT if with_parent else None


def _quiet_until_ms(facts: DeliveryFacts, now_ms: int) -> int:
    quiet = facts.rules.quiet_hours
    if quiet is None or routing.matches(tuple(quiet.except_events), str(facts.kind)):
        return 0
    return quiet_hours.quiet_until_ms(quiet, now_ms)


def _delay_ends_ms(facts: DeliveryFacts) -> int:
    if facts.kind is not EventKind.MONITOR_DOWN or not facts.rules.min_outage:
        return 0
    return facts.earlier.delayed_until_ms if facts.is_reminder else facts.at_ms + facts.rules.min_outage * 1000


def _parent_checked_by_ms(facts: DeliveryFacts, now_ms: int) -> int:
    if facts.kind not in PARENT_CHECKED_EVENTS or facts.is_reminder or facts.parents_awaited_until_ms <= now_ms:
        return 0
    return min(facts.parents_awaited_until_ms, now_ms + RECHECK_MS)
