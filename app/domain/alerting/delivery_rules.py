"""The rules that decide what becomes of a delivery: sent, held, suppressed or dead. Pure.

`PASSES` is the whole of it: the rules in their order, as `docs/routing.md` lists them. Each looks at one delivery and
decides, or returns None and leaves it to the next. A pass goes through the deliveries from the oldest event to the
newest and ends before the next pass begins, because what is decided about one delivery depends on others.

What was attempted before is never suppressed afterwards, since somebody may have read it. Webhooks receive every event:
only people are spared.
"""

from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import astuple, replace

from app.domain.alerting import quiet_hours, routing
from app.domain.alerting.circuit_breaker import Circuit
from app.domain.alerting.delivery_facts import (
    ALERT_EVENTS,
    GROUPED,
    HELD,
    RECOVERY_EVENTS,
    RESENT,
    Action,
    Decision,
    DispatchFacts,
    EarlierAlert,
    OpenDelivery,
    OutageFacts,
)
from app.domain.alerting.reasons import Reason
from schema.deliveries import ReasonCode
from schema.events import EventKind

PARENT_CHECKED_EVENTS = (EventKind.MONITOR_DOWN, EventKind.INCIDENT_OPENED)
NEVER_ALERTED_CODES = frozenset(
    {  # suppressed for these, and nobody is alerted to the outage by another message
        *(ReasonCode.PARENT_DOWN, ReasonCode.GROUP_ALERTS, ReasonCode.MEMBERS_ALERT),
        *(ReasonCode.RECOVERED_EARLY, ReasonCode.RECOVERED_WITH_PARENT, ReasonCode.NOT_ALERTED),
    }
)
RECHECK_MS = 1_000  # until a delivery that waits for another monitor's check is decided on again
RELEASE_WINDOW_MS = 300_000  # an outage that ends within this time after its release recovered with its parent
FINAL_ACTIONS = (Action.SUPPRESS, Action.FAIL)
SEND, LEAVE = Decision(Action.SEND), Decision(Action.LEAVE)

Rule = Callable[[OpenDelivery, DispatchFacts], Decision | None]


# Pass 1: whether a delivery may be sent, whatever others wait beside it.


def channel_deleted(_: OpenDelivery, facts: DispatchFacts) -> Decision | None:
    """A delivery to a deleted channel is suppressed: a killed worker left it, or it was stored at that moment."""
    return _suppress(ReasonCode.CHANNEL_DELETED) if facts.channel.is_deleted else None


def test(delivery: OpenDelivery, _: DispatchFacts) -> Decision | None:
    """A test is sent at once: a person waits for its result."""
    return SEND if delivery.event.is_test else None


def channel_disabled(_: OpenDelivery, facts: DispatchFacts) -> Decision | None:
    """A delivery to a disabled channel is dead."""
    if not facts.channel.circuit.disabled:
        return None
    return Decision(Action.FAIL, reason=Reason(ReasonCode.CHANNEL_DISABLED, error=facts.channel.disabled_reason))


def channel_inactive(_: OpenDelivery, facts: DispatchFacts) -> Decision | None:
    """A delivery to an inactive channel is suppressed."""
    return None if facts.channel.active else _suppress(ReasonCode.CHANNEL_INACTIVE)


def expired(delivery: OpenDelivery, facts: DispatchFacts) -> Decision | None:
    """A delivery that is too old is dead."""
    if delivery.age_from_ms >= facts.now_ms - facts.max_age_ms:
        return None
    reason = Reason(ReasonCode.EXPIRED, error=delivery.error, give_up_after_s=facts.max_age_ms / 1000)
    return Decision(Action.FAIL, reason=reason)


def circuit_open(_: OpenDelivery, facts: DispatchFacts) -> Decision | None:
    """Nothing is sent to a channel that backs off."""
    return LEAVE if facts.circuit is Circuit.OPEN else None


def not_alerted(delivery: OpenDelivery, facts: DispatchFacts) -> Decision | None:
    """A recovery, or a reminder of an outage that is over, is suppressed when no alert of the outage was sent."""
    outage = facts.outages.get(delivery.id)
    if outage is None or not outage.earlier_alerts:
        return None
    is_end = delivery.kind in RECOVERY_EVENTS
    if not is_end and not (delivery.is_reminder and outage.recovered_ms is not None):
        return None
    if all(_is_never_sent(one, outage, facts) for one in outage.earlier_alerts):
        return _suppress(ReasonCode.NOT_ALERTED)
    return None


def alerted_meanwhile(delivery: OpenDelivery, facts: DispatchFacts) -> Decision | None:
    """A reminder is suppressed when an alert of the outage was sent after it was due."""
    outage = facts.outages.get(delivery.id)
    if outage is None or not delivery.is_reminder:
        return None
    sent_ms = min((one.sent_ms for one in outage.earlier_alerts if one.sent_ms is not None), default=0)
    return _suppress(ReasonCode.ALERTED_MEANWHILE) if sent_ms > delivery.at_ms else None


def recovered_early(delivery: OpenDelivery, facts: DispatchFacts) -> Decision | None:
    """The alert of an outage that ended before the channel's minimum is suppressed."""
    outage = facts.outages.get(delivery.id)
    if outage is None or delivery.kind is not EventKind.MONITOR_DOWN or delivery.is_reminder:
        return None
    is_short = outage.recovered_ms is not None and outage.recovered_ms < delivery.at_ms + _min_outage_ms(facts)
    return _suppress(ReasonCode.RECOVERED_EARLY) if is_short else None


def recovered_with_parent(delivery: OpenDelivery, facts: DispatchFacts) -> Decision | None:
    """An alert that waited for its parent's recovery is suppressed when its own outage ended soon after."""
    outage = facts.outages.get(delivery.id)
    if outage is None or delivery.kind not in ALERT_EVENTS or delivery.is_reminder:
        return None
    if _ended_after_release(delivery.released_ms, outage.recovered_ms):
        return _suppress(ReasonCode.RECOVERED_WITH_PARENT)
    return None


def parent_down(delivery: OpenDelivery, facts: DispatchFacts) -> Decision | None:
    """An alert is suppressed while a parent is down that the channel is alerted of."""
    outage = facts.outages.get(delivery.id)
    if outage is None or delivery.kind not in ALERT_EVENTS or not outage.down_parent:
        return None
    return Decision(Action.SUPPRESS, reason=Reason(ReasonCode.PARENT_DOWN, outage.down_parent))


def group_alerts(delivery: OpenDelivery, facts: DispatchFacts) -> Decision | None:
    """An alert is suppressed when the monitor's group, or the group's members, alert instead."""
    outage = facts.outages.get(delivery.id)
    if outage is None or delivery.kind not in ALERT_EVENTS or outage.group_reason is None:
        return None
    return Decision(Action.SUPPRESS, reason=outage.group_reason)


def min_outage(delivery: OpenDelivery, facts: DispatchFacts) -> Decision | None:
    """An alert waits until the outage has lasted for the channel's minimum."""
    outage = facts.outages.get(delivery.id)
    if outage is None or delivery.kind is not EventKind.MONITOR_DOWN or not facts.channel.rules.min_outage:
        return None
    first_ms = _first_down_ms(outage) if delivery.is_reminder else delivery.at_ms
    return _hold(first_ms + _min_outage_ms(facts), ReasonCode.MIN_OUTAGE, facts) if first_ms else None


def parent_check(delivery: OpenDelivery, facts: DispatchFacts) -> Decision | None:
    """The alert of an outage waits while a parent is checked."""
    outage = facts.outages.get(delivery.id)
    if outage is None or delivery.kind not in PARENT_CHECKED_EVENTS or delivery.is_reminder:
        return None
    until_ms = min(outage.parents_awaited_until_ms, facts.now_ms + RECHECK_MS)
    return _hold(until_ms, ReasonCode.PARENT_CHECK, facts)


def in_quiet_hours(delivery: OpenDelivery, facts: DispatchFacts) -> Decision | None:
    """Every event waits for the end of quiet hours, except those that the channel excludes."""
    quiet = facts.channel.rules.quiet_hours
    if quiet is None or delivery.hold == RESENT or routing.matches(tuple(quiet.except_events), str(delivery.kind)):
        return None
    return _hold(quiet_hours.quiet_until_ms(quiet, facts.now_ms), ReasonCode.QUIET_HOURS, facts)


# Pass 2: what others make redundant.


def digest_held(delivery: OpenDelivery, facts: DispatchFacts) -> Decision | None:
    """The deliveries of a digest that is sent again wait together, until the last of them may go."""
    if not delivery.in_sent_digest or not delivery.is_ready:
        return None
    members = facts.sent_digests[delivery.carrier_id]
    waits = [facts.decisions[one.id] for one in members if facts.action_of(one) is Action.WAIT]
    return max(waits, key=lambda one: one.until_ms, default=None)


def collapsed(delivery: OpenDelivery, facts: DispatchFacts) -> Decision | None:
    """Of each outage only the newest message is sent: a down is suppressed when a newer one of its outage may go."""
    if facts.channel.is_webhook or delivery.kind is not EventKind.MONITOR_DOWN or delivery.is_fixed:
        return None
    for newer in facts.of_monitor(delivery):
        if newer.at_ms <= delivery.at_ms or newer.is_fixed or facts.action_of(newer) in FINAL_ACTIONS:
            continue
        waits = facts.action_of(newer) is not None or (newer.hold == HELD and not newer.is_ready)
        if newer.kind is EventKind.MONITOR_UP:
            return None if waits else _suppress(ReasonCode.COLLAPSED_INTO_RECOVERY)
        if newer.kind is EventKind.MONITOR_DOWN and not waits:
            return _suppress(ReasonCode.COLLAPSED_INTO_REMINDER)
    return None


# Pass 3: the order of each monitor.


def order(delivery: OpenDelivery, facts: DispatchFacts) -> Decision | None:
    """A delivery waits for older ones of its monitor, unless those are held, or in the same digest."""
    if delivery.in_sent_digest or delivery.hold == RESENT:
        return None
    older = (one for one in facts.of_monitor(delivery) if one.at_ms < delivery.at_ms)
    return LEAVE if any(_blocks(one, delivery, facts) for one in older) else None


# Pass 4: what is sent now, and in which message.


def trial(delivery: OpenDelivery, facts: DispatchFacts) -> Decision | None:
    """When a channel's backoff is over one message is sent, and the others wait for its result."""
    if facts.circuit is not Circuit.HALF_OPEN:
        return None
    message_id = facts.remaining[0].carrier_id
    return Decision(Action.SEND, carrier_id=message_id) if delivery.carrier_id == message_id else LEAVE


def repeated(delivery: OpenDelivery, _: DispatchFacts) -> Decision | None:
    """What may have arrived is sent again as the same message; what a person sent again goes alone."""
    if delivery.in_sent_digest:
        return Decision(Action.SEND, carrier_id=delivery.carrier_id)
    return SEND if delivery.maybe_sent or delivery.hold == RESENT else None


def single(_: OpenDelivery, facts: DispatchFacts) -> Decision | None:
    """A channel without grouping receives each delivery as a message."""
    return SEND if facts.channel.grouping is None else None


def digest(_: OpenDelivery, facts: DispatchFacts) -> Decision | None:
    """A digest that is due carries everything that may go: the newest event, with the others in its message."""
    return Decision(Action.SEND, carrier_id=facts.fresh[-1].id) if facts.digest_ids else None


def burst(delivery: OpenDelivery, facts: DispatchFacts) -> Decision | None:
    """A few messages go at once; the others wait for the next digest."""
    if any(delivery is one for one in facts.fresh[: facts.capacity.free]):
        return SEND
    return Decision(Action.WAIT, facts.capacity.until_ms, GROUPED, reason=Reason(ReasonCode.DIGEST))


# Pass 5: what must not follow the messages that are sent now.


def superseded(delivery: OpenDelivery, facts: DispatchFacts) -> Decision | None:
    """A recovery that not everybody has is suppressed when a newer outage is alerted: after that it would mislead."""
    if facts.channel.is_webhook or delivery.kind not in RECOVERY_EVENTS or delivery.is_fixed:
        return None
    if facts.action_of(delivery) is Action.SEND and not delivery.partly_sent:
        return None
    newer = (one for one in facts.of_monitor(delivery) if one.kind in ALERT_EVENTS and one.at_ms > delivery.at_ms)
    is_alerted = any(facts.action_of(one) is Action.SEND for one in newer)
    return _suppress(ReasonCode.SUPERSEDED) if is_alerted else None


class Pass(Struct, frozen=True):
    """Rules that look at the same deliveries, one after the other.

    actions    which deliveries they look at: those with one of these decisions so far
    all_open   also those that are not due yet; never those that are leased
    """

    rules: tuple[Rule, ...]
    actions: tuple[Action | None, ...] = (None,)
    all_open: bool = False


PASSES = (
    Pass(
        (
            *(channel_deleted, test, channel_disabled, channel_inactive, expired, circuit_open),
            *(not_alerted, alerted_meanwhile, recovered_early, recovered_with_parent, parent_down, group_alerts),
            *(min_outage, parent_check, in_quiet_hours),
        )
    ),
    Pass((digest_held, collapsed), actions=(None, Action.WAIT), all_open=True),
    Pass((order,)),
    Pass((trial, repeated, single, digest, burst)),
    Pass((superseded,), actions=(None, Action.WAIT, Action.LEAVE, Action.SEND), all_open=True),
)


def plan(facts: DispatchFacts, passes: Sequence[Pass] = PASSES) -> dict[str, Decision]:
    """What becomes of a channel's open deliveries, by id; those that are absent stay as they are."""
    for rules, actions, all_open in map(astuple, passes):
        remaining = [
            one
            for one in facts.deliveries
            if not one.leased and (all_open or one.is_ready) and facts.action_of(one) in actions
        ]
        facts = replace(facts, remaining=remaining)
        for delivery in remaining:
            if decision := next(filter(None, (rule(delivery, facts) for rule in rules)), None):
                facts.decisions[delivery.id] = decision
    return facts.decisions


def _blocks(older: OpenDelivery, delivery: OpenDelivery, facts: DispatchFacts) -> bool:
    """Whether a delivery waits for this older one of its monitor; not for one that is held or partly sent."""
    if older.leased:
        return older.hold != RESENT
    if older.hold == RESENT or older.partly_sent or {older.id, delivery.id} <= facts.digest_ids:
        return False
    if older.is_ready:
        return facts.action_of(older) in {None, Action.LEAVE}
    return older.hold != HELD and facts.action_of(older) is None


def _is_never_sent(alert: EarlierAlert, outage: OutageFacts, facts: DispatchFacts) -> bool:
    """Whether this alert of the outage was not sent and will not be."""
    decision = facts.decisions.get(alert.id)
    if decision is not None and decision.action is not Action.WAIT:
        return decision.action is Action.SUPPRESS
    if alert.state == "suppressed":
        return alert.reason_code in NEVER_ALERTED_CODES
    first_ms = _first_down_ms(outage)
    is_early = outage.recovered_ms is not None and outage.recovered_ms < (first_ms and first_ms + _min_outage_ms(facts))
    is_short = alert.kind == EventKind.MONITOR_DOWN and is_early
    is_waiting = alert.state == "pending" and not alert.attempts
    return is_waiting and (is_short or _ended_after_release(alert.released_ms, outage.recovered_ms))


def _first_down_ms(outage: OutageFacts) -> int:
    """When the first alert of the outage happened; 0: there is none."""
    return min((one.at_ms for one in outage.earlier_alerts if one.kind == EventKind.MONITOR_DOWN), default=0)


def _min_outage_ms(facts: DispatchFacts) -> int:
    return facts.channel.rules.min_outage * 1000


def _ended_after_release(released_ms: int | None, recovered_ms: int | None) -> bool:
    """Whether an outage whose alert was released ended soon after its parent's: it needs no alert."""
    return released_ms is not None and recovered_ms is not None and recovered_ms <= released_ms + RELEASE_WINDOW_MS


def _suppress(code: ReasonCode) -> Decision:
    return Decision(Action.SUPPRESS, reason=Reason(code))


def _hold(until_ms: int, code: ReasonCode, facts: DispatchFacts) -> Decision | None:
    """Hold a delivery until this time; None when it has passed."""
    return Decision(Action.WAIT, until_ms, HELD, reason=Reason(code)) if until_ms > facts.now_ms else None
