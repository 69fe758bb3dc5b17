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
from schema.channels.terms import Terms
from schema.events import EventKind

ALARMS = (EventKind.MONITOR_DOWN, EventKind.INCIDENT_OPENED, EventKind.INCIDENT_ESCALATED)
HELD = (EventKind.MONITOR_DOWN, EventKind.INCIDENT_OPENED)
ENDS = (EventKind.MONITOR_UP, EventKind.INCIDENT_RESOLVED)
WEIGHED = (*ALARMS, *ENDS)  # whether these go depends on more than the clock
BEHIND = "behind "  # how the reason begins that ends when what it hangs on is up again
IN_TIME = "it recovered within the delay"
TOGETHER = "it recovered with what it hangs on"
TOLD_MEANWHILE = "the outage was told meanwhile"
NOT_TOLD = "the outage was not told"
BY_GROUP, BY_MEMBERS = "its group ", "its members tell of it"
HELD_BACK = (BEHIND, BY_GROUP, BY_MEMBERS, IN_TIME, TOGETHER, NOT_TOLD)  # how reasons begin for which nobody is told
LOOK_MS = 1_000  # until a delivery is looked at again that waits for another monitor's check
CALLED_MS = 300_000  # what was called for again and is over by then recovered with what it hangs on


class Gate(Struct, frozen=True):
    """Whether a delivery may go now.

    until_ms  of "wait": when to ask again
    reason    of the other two, in words for people
    """

    action: Literal["send", "wait", "suppress"] = "send"
    until_ms: int = 0
    reason: str = ""


class Outage(Struct, frozen=True, kw_only=True):
    """How the downs and escalations of a delivery's outage fare on its channel, that delivery itself left out.

    silent      there are some, and each was held back or will be
    sent_ms     when the first of them was told; None: not
    delayed_ms  until when the first of them waits, because it must last; 0: it does not
    """

    silent: bool = False
    sent_ms: int | None = None
    delayed_ms: int = 0


class Case(Struct, frozen=True, kw_only=True):
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
    terms: Terms
    is_final: bool = False
    reminder: bool = False
    reopened_ms: int | None = None
    ended_ms: int | None = None
    behind: str | None = None
    held_ms: int = 0
    group: str = ""
    outage: Outage = Outage()


def was_held_back(reason: str) -> bool:
    """Whether a suppressed delivery was kept from people, and not told by another message."""
    return reason.startswith(HELD_BACK)


def without_names(reason: str) -> str:
    """The reason for who may not see the monitor that it names."""
    if reason.startswith(BEHIND):
        return f"{BEHIND}another monitor, which is down"
    return f"{BY_GROUP}tells of it" if reason.startswith(BY_GROUP) else reason


def is_together(reopened_ms: int | None, ended_ms: int | None) -> bool:
    """Whether an outage that was called for again was over with that of what it hangs on: nobody need be told."""
    return reopened_ms is not None and ended_ms is not None and ended_ms <= reopened_ms + CALLED_MS


def gate(case: Case, now_ms: int) -> Gate:
    """What becomes of a delivery."""
    if case.kind is EventKind.TEST:
        return Gate()
    spared = case.kind in WEIGHED and not case.is_final
    if spared and (reason := why_not(case)):
        return Gate("suppress", reason=reason)
    waits = [_quiet(case, now_ms)]
    if spared:
        waits += [_delayed(case, now_ms), _held(case, now_ms)]
    until_ms, reason = max(waits)
    return Gate("wait", until_ms, reason) if until_ms > now_ms else Gate()


def why_not(case: Case) -> str:
    """Why an event is not told; empty: it is."""
    if case.kind in ENDS:
        return NOT_TOLD if case.outage.silent else ""
    if reason := _overtaken(case):
        return reason
    return f"{BEHIND}{case.behind!r}, which is down" if case.behind else case.group


def _overtaken(case: Case) -> str:
    """Why an alarm says nothing any more."""
    if case.kind is not EventKind.MONITOR_DOWN:
        return TOGETHER if is_together(case.reopened_ms, case.ended_ms) else ""
    if case.reminder:
        sent_ms = case.outage.sent_ms
        if sent_ms is not None and sent_ms > case.at_ms:
            return TOLD_MEANWHILE
        return NOT_TOLD if case.outage.silent and case.ended_ms is not None else ""
    if case.ended_ms is None:
        return ""
    if case.ended_ms < case.at_ms + case.terms.delay * 1000:
        return IN_TIME
    return TOGETHER if is_together(case.reopened_ms, case.ended_ms) else ""


def _quiet(case: Case, now_ms: int) -> tuple[int, str]:
    quiet = case.terms.quiet_hours
    if quiet is None or routing.matches(tuple(quiet.but), str(case.kind)):
        return 0, ""
    return quiet_hours.until_ms(quiet, now_ms), "quiet hours"


def _delayed(case: Case, now_ms: int) -> tuple[int, str]:
    if case.kind is not EventKind.MONITOR_DOWN or not case.terms.delay:
        return 0, ""
    until_ms = case.outage.delayed_ms if case.reminder else case.at_ms + case.terms.delay * 1000
    return (until_ms, "it must last before it is told") if until_ms > now_ms else (0, "")


def _held(case: Case, now_ms: int) -> tuple[int, str]:
    if case.kind not in HELD or case.reminder or case.held_ms <= now_ms:
        return 0, ""
    return min(case.held_ms, now_ms + LOOK_MS), "what it hangs on is being checked"
