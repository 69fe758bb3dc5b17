"""Decides whether a delivery may go now, goes later, or is not to be told at all. Pure.

* What hangs on something that is down is not told: that one is. Its recovery is not told either.
* Nor is what was over before it had lasted as long as the channel wants.
* While it is not known yet whether something it hangs on is down, an outage waits a moment.
* Quiet hours make everything wait, but for the events that the channel named.

Webhooks are told every fact: only people are spared. What was tried before is never taken back, since somebody may
have read it.
"""

from typing import Literal

from msgspec import Struct

from app.domain.alerting import quiet_hours, routing
from schema.channels.terms import ChannelRules
from schema.events import EventKind

ALERT_EVENTS = (EventKind.MONITOR_DOWN, EventKind.INCIDENT_OPENED, EventKind.INCIDENT_ESCALATED)
PARENT_CHECKED_EVENTS = (EventKind.MONITOR_DOWN, EventKind.INCIDENT_OPENED)
RECOVERY_EVENTS = (EventKind.MONITOR_UP, EventKind.INCIDENT_RESOLVED)
SUPPRESSIBLE_EVENTS = (*ALERT_EVENTS, *RECOVERY_EVENTS)  # whether these go depends on more than the clock
PARENT_DOWN = "behind "  # how the reason begins that ends when what it hangs on is up again
RECOVERED_WITHIN_DELAY = "it recovered within the delay"
RECOVERED_WITH_PARENT = "it recovered with what it hangs on"
ALERTED_MEANWHILE = "the outage was told meanwhile"
NOT_ALERTED = "the outage was not told"
GROUP_ALERTS, MEMBERS_ALERT = "its group ", "its members tell of it"
NEVER_ALERTED_REASONS = (
    PARENT_DOWN,
    GROUP_ALERTS,
    MEMBERS_ALERT,
    RECOVERED_WITHIN_DELAY,
    RECOVERED_WITH_PARENT,
    NOT_ALERTED,
)  # how reasons begin for which nobody is told
RECHECK_MS = 1_000  # until a delivery is looked at again that waits for another monitor's check
RELEASE_WINDOW_MS = 300_000  # what was called for again and is over by then recovered with what it hangs on


class Decision(Struct, frozen=True):
    """Whether a delivery may go now.

    until_ms  of "wait": when to ask again
    reason    of the other two, in words for people
    """

    action: Literal["send", "wait", "suppress"] = "send"
    until_ms: int = 0
    reason: str = ""


class EarlierAlerts(Struct, frozen=True, kw_only=True):
    """How the downs and escalations of a delivery's outage fare on its channel, that delivery itself left out.

    silent      there are some, and each was held back or will be
    sent_ms     when the first of them was told; None: not
    delayed_ms  until when the first of them waits, because it must last; 0: it does not
    """

    all_suppressed: bool = False
    sent_ms: int | None = None
    delayed_until_ms: int = 0


class DeliveryFacts(Struct, frozen=True, kw_only=True):
    """What matters for one delivery.

    at_ms       of the event
    reminder    a repeated down
    is_final    it is told in any case, if not now: it was tried before, or its channel is a webhook
    reopened_ms when it was called for again, because what it hung on was up; None: it was not held back
    ended_ms    when the outage was over; None: it lasts
    behind      the name of the nearest monitor it hangs on that is down
    held_ms     until when it waits for checks of what it hangs on; 0: none is awaited
    group       why its group, or the group's members, are told instead
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
    """Whether a suppressed delivery was kept from people, and not told by another message."""
    return reason.startswith(NEVER_ALERTED_REASONS)


def redact_names(reason: str) -> str:
    """The reason for who may not see the monitor that it names."""
    if reason.startswith(PARENT_DOWN):
        return f"{PARENT_DOWN}another monitor, which is down"
    return f"{GROUP_ALERTS}tells of it" if reason.startswith(GROUP_ALERTS) else reason


def has_recovered_with_parent(released_ms: int | None, recovered_ms: int | None) -> bool:
    """Whether an outage that was called for again was over with that of what it hangs on: nobody need be told."""
    return released_ms is not None and recovered_ms is not None and recovered_ms <= released_ms + RELEASE_WINDOW_MS


def decide(case: DeliveryFacts, now_ms: int) -> Decision:
    """What becomes of a delivery."""
    if case.kind is EventKind.TEST:
        return Decision()
    spared = case.kind in SUPPRESSIBLE_EVENTS and not case.is_exempt
    if spared and (reason := suppression_reason(case)):
        return Decision("suppress", reason=reason)
    waits = [_quiet_hours_wait(case, now_ms)]
    if spared:
        waits += [_delay_wait(case, now_ms), _parent_wait(case, now_ms)]
    until_ms, reason = max(waits)
    return Decision("wait", until_ms, reason) if until_ms > now_ms else Decision()


def suppression_reason(case: DeliveryFacts) -> str:
    """Why an event is not told; empty: it is."""
    if case.kind in RECOVERY_EVENTS:
        return NOT_ALERTED if case.earlier.all_suppressed else ""
    if reason := _outdated_reason(case):
        return reason
    return f"{PARENT_DOWN}{case.down_parent!r}, which is down" if case.down_parent else case.group_reason


def _outdated_reason(case: DeliveryFacts) -> str:
    """Why an alarm says nothing any more."""
    if case.kind is not EventKind.MONITOR_DOWN:
        return RECOVERED_WITH_PARENT if has_recovered_with_parent(case.released_ms, case.recovered_ms) else ""
    if case.is_reminder:
        sent_ms = case.earlier.sent_ms
        if sent_ms is not None and sent_ms > case.at_ms:
            return ALERTED_MEANWHILE
        return NOT_ALERTED if case.earlier.all_suppressed and case.recovered_ms is not None else ""
    if case.recovered_ms is None:
        return ""
    if case.recovered_ms < case.at_ms + case.rules.delay * 1000:
        return RECOVERED_WITHIN_DELAY
    return RECOVERED_WITH_PARENT if has_recovered_with_parent(case.released_ms, case.recovered_ms) else ""


def _quiet_hours_wait(case: DeliveryFacts, now_ms: int) -> tuple[int, str]:
    quiet = case.rules.quiet_hours
    if quiet is None or routing.matches(tuple(quiet.but), str(case.kind)):
        return 0, ""
    return quiet_hours.quiet_until_ms(quiet, now_ms), "quiet hours"


def _delay_wait(case: DeliveryFacts, now_ms: int) -> tuple[int, str]:
    if case.kind is not EventKind.MONITOR_DOWN or not case.rules.delay:
        return 0, ""
    until_ms = case.earlier.delayed_until_ms if case.is_reminder else case.at_ms + case.rules.delay * 1000
    return (until_ms, "it must last before it is told") if until_ms > now_ms else (0, "")


def _parent_wait(case: DeliveryFacts, now_ms: int) -> tuple[int, str]:
    if case.kind not in PARENT_CHECKED_EVENTS or case.is_reminder or case.parents_awaited_until_ms <= now_ms:
        return 0, ""
    return min(case.parents_awaited_until_ms, now_ms + RECHECK_MS), "what it hangs on is being checked"
