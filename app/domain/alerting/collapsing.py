"""Which of a channel's open deliveries are sent now, and which need not be sent at all. Pure."""

from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct

from app.domain.alerting.suppression import ALERT_EVENTS, RECOVERY_EVENTS
from schema.deliveries import ReasonCode
from schema.events import Event, EventKind

HELD, GROUPED, RESENT = "held", "grouped", "resent"  # values of `hold`; usually it is empty
OUTAGE_EVENTS = frozenset({EventKind.MONITOR_DOWN, EventKind.MONITOR_UP})


class OpenDelivery(Struct, frozen=True, kw_only=True):
    """A delivery that is neither sent, suppressed nor dead.

    age_from_ms     from when its age counts
    error           why its newest attempt failed, or why it waits
    digest_id       the delivery whose message contains this one
    hold            HELD by a rule, waiting to be GROUPED, or RESENT by a person
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
    def blocks(self) -> bool:
        """Whether newer deliveries of the monitor wait for it, or with it; not for one that is held or partly sent."""
        if self.monitor_id is None or self.hold == RESENT:
            return False
        return self.leased or (self.hold != HELD and not self.partly_sent)


def collapse_outages(deliveries: Iterable[OpenDelivery], held: Collection[str]) -> dict[str, ReasonCode]:
    """Deliveries that a newer one makes redundant, id → why: of each outage only the newest message is sent.

    held    ids of those that may not be sent now: they make nothing redundant
    """
    collapsed: dict[str, ReasonCode] = {}
    newest: dict[str | None, str] = {}
    for delivery in sorted(deliveries, key=lambda one: one.at_ms):
        is_fixed = delivery.leased or delivery.in_sent_digest or delivery.hold == RESENT
        if delivery.kind not in OUTAGE_EVENTS or is_fixed:
            continue
        waits = delivery.id in held or (delivery.hold == HELD and not delivery.is_ready)
        if not waits and delivery.monitor_id in newest:
            is_up = delivery.kind is EventKind.MONITOR_UP
            code = ReasonCode.COLLAPSED_INTO_RECOVERY if is_up else ReasonCode.COLLAPSED_INTO_REMINDER
            collapsed[newest.pop(delivery.monitor_id)] = code
        if delivery.kind is EventKind.MONITOR_DOWN:
            newest[delivery.monitor_id] = delivery.id
        elif waits:
            newest.pop(delivery.monitor_id, None)
    return collapsed


def superseded_recoveries(deliveries: Sequence[OpenDelivery], sending: Collection[str]) -> list[str]:
    """Recoveries that still wait while a newer outage of their monitor is sent: after it they would mislead.

    sending    ids of those that are sent now; of these, one that some recipients have would be sent beside the outage
    """
    newest_alert: dict[str | None, int] = {}
    for delivery in deliveries:
        if delivery.id in sending and delivery.kind in ALERT_EVENTS:
            newest_alert[delivery.monitor_id] = max(newest_alert.get(delivery.monitor_id, 0), delivery.at_ms)
    return [
        one.id
        for one in deliveries
        if one.kind in RECOVERY_EVENTS and one.monitor_id and one.at_ms < newest_alert.get(one.monitor_id, 0)
        if one.id not in sending or one.partly_sent
        if not (one.leased or one.in_sent_digest or one.hold == RESENT)
    ]


def select_in_order(
    ready: Sequence[OpenDelivery], deliveries: Iterable[OpenDelivery], settled: Collection[str], *, is_digest: bool
) -> list[OpenDelivery]:
    """Those that may be sent now, oldest first. A delivery waits for older ones of its monitor.

    settled      ids that no other delivery waits for any more
    is_digest    they are sent in one message, and need not wait for each other
    """
    members = {one.id for one in ready if not one.maybe_sent} if is_digest else set[str]()
    oldest: dict[str | None, int] = {}
    for one in deliveries:
        if one.blocks and one.id not in settled and one.id not in members:
            oldest[one.monitor_id] = min(oldest.get(one.monitor_id, one.at_ms), one.at_ms)
    first = [one for one in ready if one.hold == RESENT or one.at_ms <= oldest.get(one.monitor_id, one.at_ms)]
    return sorted(first, key=lambda one: one.at_ms)
