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
from schema.channels.rules import ChannelRules
from schema.events import EventKind

ALERT_EVENTS = (EventKind.MONITOR_DOWN, EventKind.INCIDENT_OPENED, EventKind.INCIDENT_ESCALATED)
PARENT_CHECKED_EVENTS = (EventKind.MONITOR_DOWN, EventKind.INCIDENT_OPENED)
RECOVERY_EVENTS = (EventKind.MONITOR_UP, EventKind.INCIDENT_RESOLVED)
SUPPRESSIBLE_EVENTS = (*ALERT_EVENTS, *RECOVERY_EVENTS)  # quiet hours alone do not decide on these
PARENT_DOWN = "behind "  # the beginning of the reason that ends when the parent recovers
RECOVERED_WITHIN_DELAY = "it recovered within the delay"
RECOVERED_WITH_PARENT = "it recovered with what it hangs on"
ALERTED_MEANWHILE = "the outage was told meanwhile"
NOT_ALERTED = "the outage was not told"
GROUP_ALERTS, MEMBERS_ALERT = "its group ", "its members tell of it"
NEVER_ALERTED_REASONS = (  # beginnings of the reasons for which nobody is alerted
    *(PARENT_DOWN, GROUP_ALERTS, MEMBERS_ALERT),
    *(RECOVERED_WITHIN_DELAY, RECOVERED_WITH_PARENT, NOT_ALERTED),
)
RECHECK_MS = 1_000  # until a delivery that waits for another monitor's check is decided on again
RELEASE_WINDOW_MS = 300_000  # an outage that ends within this time after its release recovered with its parent


class Decision(Struct, frozen=True):
    """Whether a delivery may be sent now.

    until_ms  of "wait": when to decide again
    reason    of "wait" and "suppress", in words for people
    """

    action: Literal["send", "wait", "suppress"] = "send"
    until_ms: int = 0
    reason: str = ""


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
    group_reason: str = ""
    earlier: EarlierAlerts = EarlierAlerts()


def was_never_alerted(reason: str) -> bool:
    """Whether nobody was alerted to a suppressed delivery's outage, not even by another message."""
    return reason.startswith(NEVER_ALERTED_REASONS)


def redact_names(reason: str) -> str:
    """The reason for a viewer who may not see the monitor that it names."""
    if reason.startswith(PARENT_DOWN):
        return f"{PARENT_DOWN}another monitor, which is down"
    return f"{GROUP_ALERTS}tells of it" if reason.startswith(GROUP_ALERTS) else reason


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
    waits = [_quiet_hours_wait(facts, now_ms)]
    if is_suppressible:
        waits += [_delay_wait(facts, now_ms), _parent_wait(facts, now_ms)]
    until_ms, reason = max(waits)
    return Decision("wait", until_ms, reason) if until_ms > now_ms else Decision()


def suppression_reason(facts: DeliveryFacts) -> str:
    """Why a delivery is suppressed; empty when it is not."""
    if facts.kind in RECOVERY_EVENTS:
        return NOT_ALERTED if facts.earlier.all_suppressed else ""
    if reason := _outdated_reason(facts):
        return reason
    return f"{PARENT_DOWN}{facts.down_parent!r}, which is down" if facts.down_parent else facts.group_reason


def _outdated_reason(facts: DeliveryFacts) -> str:
    """Why an alert is out of date; empty when it is not."""
    if facts.kind is not EventKind.MONITOR_DOWN:
        return RECOVERED_WITH_PARENT if has_recovered_with_parent(facts.released_ms, facts.recovered_ms) else ""
    if facts.is_reminder:
        sent_ms = facts.earlier.sent_ms
        if sent_ms is not None and sent_ms > facts.at_ms:
            return ALERTED_MEANWHILE
        return NOT_ALERTED if facts.earlier.all_suppressed and facts.recovered_ms is not None else ""
    if facts.recovered_ms is None:
        return ""
    if facts.recovered_ms < facts.at_ms + facts.rules.min_outage * 1000:
        return RECOVERED_WITHIN_DELAY
    return RECOVERED_WITH_PARENT if has_recovered_with_parent(facts.released_ms, facts.recovered_ms) else ""


def _quiet_hours_wait(facts: DeliveryFacts, now_ms: int) -> tuple[int, str]:
    quiet = facts.rules.quiet_hours
    if quiet is None or routing.matches(tuple(quiet.except_events), str(facts.kind)):
        return 0, ""
    return quiet_hours.quiet_until_ms(quiet, now_ms), "quiet hours"


def _delay_wait(facts: DeliveryFacts, now_ms: int) -> tuple[int, str]:
    if facts.kind is not EventKind.MONITOR_DOWN or not facts.rules.min_outage:
        return 0, ""
    until_ms = facts.earlier.delayed_until_ms if facts.is_reminder else facts.at_ms + facts.rules.min_outage * 1000
    return (until_ms, "it must last before it is told") if until_ms > now_ms else (0, "")


def _parent_wait(facts: DeliveryFacts, now_ms: int) -> tuple[int, str]:
    if facts.kind not in PARENT_CHECKED_EVENTS or facts.is_reminder or facts.parents_awaited_until_ms <= now_ms:
        return 0, ""
    return min(facts.parents_awaited_until_ms, now_ms + RECHECK_MS), "what it hangs on is being checked"
