"""What the rules of delivery know: open deliveries, their outages, their channel. Pure.

`app.store.alerting.claim_facts` reads them, `app.domain.alerting.delivery_rules` decides by them.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cached_property

from msgspec import Struct

from app.domain.alerting import circuit_breaker
from app.domain.alerting.circuit_breaker import Circuit, CircuitState
from app.domain.alerting.grouping import BurstCapacity
from app.domain.alerting.reasons import Reason
from schema.channels.rules import ChannelRules, Grouping
from schema.events import Event, EventKind

HELD, GROUPED, RESENT = "held", "grouped", "resent"  # values of `hold`; usually it is empty
ALERT_EVENTS = (EventKind.MONITOR_DOWN, EventKind.INCIDENT_OPENED, EventKind.INCIDENT_ESCALATED)
RECOVERY_EVENTS = (EventKind.MONITOR_UP, EventKind.INCIDENT_RESOLVED)
OUTAGE_EVENTS = (*ALERT_EVENTS, *RECOVERY_EVENTS)


class Action(StrEnum):
    """What becomes of a delivery."""

    SEND = "send"
    WAIT = "wait"  # until a time, by a rule of its own
    LEAVE = "leave"  # as it is: something else will claim it again
    SUPPRESS = "suppress"
    FAIL = "fail"  # dead


class Decision(Struct, frozen=True):
    """What a rule decides about a delivery.

    until_ms    of WAIT: when to decide again
    hold        of WAIT: HELD or GROUPED
    carrier_id  of SEND: the delivery whose message carries it; empty: its own
    reason      of WAIT, SUPPRESS and FAIL
    """

    action: Action
    until_ms: int = 0
    hold: str = ""
    carrier_id: str = ""
    reason: Reason | None = None


class OpenDelivery(Struct, frozen=True, kw_only=True):
    """A delivery that is neither sent, suppressed nor dead.

    at_ms           when its event happened
    created_ms      when its event was stored
    age_from_ms     from when its age counts
    error           why its newest attempt failed, or why it waits
    digest_id       the delivery whose message contains this one
    hold            HELD by a rule, waiting to be GROUPED, or RESENT by a person
    released_ms     when it was released because its parent had recovered; None: it was not suppressed
    started_ms      when its outage started; 0: its event has none
    is_reminder     a repeated down
    is_ready        it is due, and not leased
    leased          a worker is sending it
    in_sent_digest  it is part of a digest that may have arrived: the same digest must be sent again
    maybe_sent      its own message may have arrived: it must be sent again under its own id
    partly_sent     some of its recipients have it; only the others wait
    """

    id: str
    channel_id: str
    event: Event
    at_ms: int
    attempts: int = 0
    created_ms: int = 0
    age_from_ms: int = 0
    error: str = ""
    digest_id: str | None = None
    hold: str = ""
    released_ms: int | None = None
    started_ms: int = 0
    is_reminder: bool = False
    is_ready: bool = True
    leased: bool = False
    in_sent_digest: bool = False
    maybe_sent: bool = False
    partly_sent: bool = False

    @property
    def monitor_id(self) -> str | None:
        """The monitor that its event is about."""
        return self.event.monitor_id

    @property
    def kind(self) -> EventKind:
        """The kind of its event."""
        return self.event.event

    @property
    def carrier_id(self) -> str:
        """The delivery whose message carries it."""
        return self.digest_id or self.id

    @property
    def is_fixed(self) -> bool:
        """Whether no newer delivery makes it redundant: it is being sent, may have arrived, or was resent."""
        return self.leased or self.in_sent_digest or self.hold == RESENT


class EarlierAlert(Struct, frozen=True, kw_only=True):
    """A delivery of an earlier alert of the same outage, on the same channel.

    reason_code  why it waits or is suppressed, one of `ReasonCode`, or empty
    sent_ms      None: not sent
    """

    id: str
    kind: str
    at_ms: int
    state: str
    attempts: int
    reason_code: str
    sent_ms: int | None
    released_ms: int | None


class OutageFacts(Struct, frozen=True, kw_only=True):
    """What is known about the outage that a delivery is about, besides the delivery.

    recovered_ms              when the outage ended; None: it lasts
    down_parent               the name of the nearest ancestor that is down and alerted on the channel
    parents_awaited_until_ms  until when it waits for checks of its ancestors; 0: for none
    group_reason              why its group, or the group's members, alert instead
    earlier_alerts            of the same outage
    """

    recovered_ms: int | None = None
    down_parent: str | None = None
    parents_awaited_until_ms: int = 0
    group_reason: Reason | None = None
    earlier_alerts: Sequence[EarlierAlert] = ()


class ChannelFacts(Struct, frozen=True, kw_only=True):
    """The part of a channel that decides what may be sent.

    grouping  None: every delivery is its own message
    """

    id: str
    is_webhook: bool = False
    is_deleted: bool = False
    active: bool = True
    rules: ChannelRules = ChannelRules()
    grouping: Grouping | None = None
    circuit: CircuitState = CircuitState()
    disabled_reason: str = ""


class DispatchFacts(Struct, frozen=True, kw_only=True, dict=True):
    """All that decides about one channel's open deliveries.

    deliveries  oldest event first
    outages     by delivery id; absent for those that no outage can hold or suppress: they were attempted before, a
                person sent them again, their channel is a webhook, or their event is of another kind
    capacity    how many single messages the channel may receive now
    decisions   so far, by delivery id
    remaining   those that the current pass decides about
    """

    channel: ChannelFacts
    now_ms: int
    max_age_ms: int
    deliveries: Sequence[OpenDelivery]
    outages: Mapping[str, OutageFacts] = {}
    capacity: BurstCapacity = BurstCapacity(free=0, until_ms=0)
    decisions: dict[str, Decision] = {}
    remaining: Sequence[OpenDelivery] = ()

    @cached_property
    def circuit(self) -> Circuit:
        """How many deliveries may be sent to the channel now."""
        return circuit_breaker.circuit_at(self.channel.circuit, self.now_ms)

    @cached_property
    def fresh(self) -> list[OpenDelivery]:
        """The remaining ones that nobody can have received: they may go in a new digest."""
        return [one for one in self.remaining if not (one.in_sent_digest or one.maybe_sent or one.hold == RESENT)]

    @cached_property
    def digest_ids(self) -> frozenset[str]:
        """The deliveries of the digest that is due now; empty when none is."""
        is_due = self.circuit is Circuit.CLOSED and any(one.hold == GROUPED for one in self.fresh)
        return frozenset(one.id for one in self.fresh) if is_due else frozenset()

    def of_monitor(self, delivery: OpenDelivery) -> Sequence[OpenDelivery]:
        """The open deliveries of the same monitor, oldest first; none when the event has no monitor."""
        return self._by_monitor.get(delivery.monitor_id or "", ())

    @cached_property
    def _by_monitor(self) -> dict[str, list[OpenDelivery]]:
        found: dict[str, list[OpenDelivery]] = {}
        for one in self.deliveries:
            if one.monitor_id is not None:
                found.setdefault(one.monitor_id, []).append(one)
        return found

    @cached_property
    def sent_digests(self) -> dict[str, list[OpenDelivery]]:
        """The deliveries of digests that may have arrived, by the delivery whose message carries them."""
        found: dict[str, list[OpenDelivery]] = {}
        for one in self.deliveries:
            if one.in_sent_digest:
                found.setdefault(one.carrier_id, []).append(one)
        return found

    def action_of(self, delivery: OpenDelivery) -> Action | None:
        """What has been decided about a delivery; None: nothing yet."""
        decision = self.decisions.get(delivery.id)
        return None if decision is None else decision.action
