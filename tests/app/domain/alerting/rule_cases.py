"""Deliveries and what is known about them, for tests of the rules."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

from app.domain.alerting import delivery_rules
from app.domain.alerting.delivery_facts import (
    HELD,
    Action,
    ChannelFacts,
    Decision,
    DispatchFacts,
    EarlierAlert,
    OpenDelivery,
    OutageFacts,
)
from app.domain.alerting.grouping import BurstCapacity
from app.domain.alerting.reasons import Reason
from schema.channels.rules import ChannelRules, QuietHours
from schema.deliveries import ReasonCode
from schema.events import Event, EventKind
from tests import make

NOW, SECOND = make.NOW_MS, 1_000
DOWN, UP, SLOW = EventKind.MONITOR_DOWN, EventKind.MONITOR_UP, EventKind.MONITOR_DEGRADED
BEHIND_ROUTER = Decision(Action.SUPPRESS, reason=Reason(ReasonCode.PARENT_DOWN, "Router"))
ALWAYS = QuietHours(start="00:00", end="23:59", timezone="UTC")
NIGHT_ENDS = NOW - NOW % 86_400_000 + (24 * 60 - 1) * 60_000
BY_RECOVERY, BY_REMINDER = ReasonCode.COLLAPSED_INTO_RECOVERY, ReasonCode.COLLAPSED_INTO_REMINDER


def row(*kinds: EventKind, monitor_id: str | None = "web", **changes: Any) -> list[OpenDelivery]:
    """Open deliveries a to z, oldest first; events without a monitor have none."""
    return [
        OpenDelivery(
            **{
                "id": chr(97 + number),
                "channel_id": "ops",
                "event": Event(
                    id=f"e{number}",
                    event=kind,
                    at=datetime.fromtimestamp(NOW / 1000, UTC),
                    monitor_id=None if kind.startswith(("system", "test")) else monitor_id,
                ),
                "at_ms": NOW + number,
                "created_ms": NOW,
                "age_from_ms": NOW,
                **changes,
            }
        )
        for number, kind in zip(count(), kinds, strict=False)
    ]


def plan(
    deliveries: Sequence[OpenDelivery], *, now_ms: int = NOW, outage: OutageFacts | None = None, **about: Any
) -> dict[str, Decision]:
    """What becomes of them, when the same is known about the outage of each."""
    outages = {one.id: outage for one in deliveries} if outage else {}
    capacity = about.pop("capacity", BurstCapacity(0, 0))
    channel = ChannelFacts(id="ops", **about)
    return delivery_rules.plan(
        DispatchFacts(
            channel=channel,
            now_ms=now_ms,
            max_age_ms=3_600_000,
            deliveries=deliveries,
            outages=outages,
            capacity=capacity,
        )
    )


def decision(kind: EventKind = DOWN, now_ms: int = NOW, **about: Any) -> Decision:
    """What becomes of a single delivery, its first attempt."""
    rules = ChannelRules(**{name: about.pop(name) for name in ("min_outage", "quiet_hours") if name in about})
    delivery = {name: about.pop(name) for name in ("released_ms", "is_reminder") if name in about}
    found = plan(row(kind, **delivery), now_ms=now_ms, rules=rules, outage=OutageFacts(**about))
    return found["a"]


def why(kind: EventKind = DOWN, **about: Any) -> str:
    found = decision(kind, **about)
    return found.reason.code if found.reason and found.action is Action.SUPPRESS else f"({found.action})"


def alert(**changes: Any) -> EarlierAlert:
    """An earlier down of the outage, not sent yet."""
    usual = {"id": "z", "kind": str(DOWN), "at_ms": NOW - SECOND, "state": "pending", "attempts": 0, "reason_code": ""}
    return EarlierAlert(**{**usual, "sent_ms": None, "released_ms": None, **changes})


SUPPRESSED = alert(state="suppressed", reason_code=ReasonCode.PARENT_DOWN)


def held(until_ms: int, code: ReasonCode) -> Decision:
    return Decision(Action.WAIT, until_ms, HELD, reason=Reason(code))
