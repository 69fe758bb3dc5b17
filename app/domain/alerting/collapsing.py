"""Which of a channel's open deliveries go now, and which need not go at all. Pure."""

from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct

from app.domain.alerting.suppression import ALERT_EVENTS, RECOVERY_EVENTS
from schema.events import Event, EventKind

HELD, GROUPED, RESENT = "gated", "grouped", "resent"  # courses; the usual one is empty
COLLAPSED_INTO_RECOVERY, COLLAPSED_INTO_REMINDER = (
    "told together with the recovery",
    "told together with the newest reminder",
)
SUPERSEDED = "a newer outage was told while it waited"
OUTAGE_EVENTS = frozenset({EventKind.MONITOR_DOWN, EventKind.MONITOR_UP})


class OpenDelivery(Struct, frozen=True, kw_only=True):
    """A delivery that is neither done nor given up.

    since_ms      from when its age counts
    error         why its newest try failed, or why it waits
    carrier_id    whose message tells it as well
    is_free       its time has come, and nobody is sending it
    leased        somebody is sending it
    bound         it is part of a message that may have arrived: the same one has to go again
    unsure        its own message may have arrived: it must go again under its own id
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

    @property
    def monitor_id(self) -> str | None:
        """Whom it is about."""
        return self.event.monitor_id

    @property
    def kind(self) -> EventKind:
        """What it tells."""
        return self.event.event

    @property
    def blocks(self) -> bool:
        """Whether its juniors wait for it, or with it; what a gate holds back holds nobody."""
        if self.monitor_id is None or self.hold == RESENT:
            return False
        return self.leased or self.hold != HELD


def collapse_outages(found: Iterable[OpenDelivery], held: Collection[str]) -> dict[str, str]:
    """Deliveries that a newer one tells as well, with the reason: of each outage only the newest word goes.

    held    ids of those that may not go now: nothing is told by them
    """
    told: dict[str, str] = {}
    newest: dict[str | None, str] = {}
    for one in sorted(found, key=lambda delivery: delivery.at_ms):
        if one.kind not in OUTAGE_EVENTS or one.leased or one.in_sent_digest or one.hold == RESENT:
            continue
        waits = one.id in held or (one.hold == HELD and not one.is_ready)
        if not waits and one.monitor_id in newest:
            is_up = one.kind is EventKind.MONITOR_UP
            told[newest.pop(one.monitor_id)] = COLLAPSED_INTO_RECOVERY if is_up else COLLAPSED_INTO_REMINDER
        if one.kind is EventKind.MONITOR_DOWN:
            newest[one.monitor_id] = one.id
        elif waits:
            newest.pop(one.monitor_id, None)
    return told


def superseded_recoveries(found: Sequence[OpenDelivery], going: Collection[str]) -> list[str]:
    """Recoveries that wait for their hour while a newer outage of their monitor is told: after it they would mislead.

    going    ids of those that are sent now
    """
    newest: dict[str | None, int] = {}
    for one in found:
        if one.id in going and one.kind in ALERT_EVENTS:
            newest[one.monitor_id] = max(newest.get(one.monitor_id, 0), one.at_ms)
    return [
        one.id
        for one in found
        if one.kind in RECOVERY_EVENTS and one.monitor_id and one.at_ms < newest.get(one.monitor_id, 0)
        if one.id not in going and not (one.leased or one.in_sent_digest or one.hold == RESENT)
    ]


def select_in_order(
    ready: Sequence[OpenDelivery], found: Iterable[OpenDelivery], done: Collection[str], *, is_digest: bool
) -> list[OpenDelivery]:
    """Those that may go now, oldest first: none whose elder of the same monitor is still to be told.

    done        ids of those that are out of the way by now
    together    they go in one message, and need not wait for each other
    """
    mates = {one.id for one in ready if not one.maybe_sent} if is_digest else set[str]()
    oldest: dict[str | None, int] = {}
    for one in found:
        if one.blocks and one.id not in done and one.id not in mates:
            oldest[one.monitor_id] = min(oldest.get(one.monitor_id, one.at_ms), one.at_ms)
    kept = [one for one in ready if one.hold == RESENT or one.at_ms <= oldest.get(one.monitor_id, one.at_ms)]
    return sorted(kept, key=lambda delivery: delivery.at_ms)
