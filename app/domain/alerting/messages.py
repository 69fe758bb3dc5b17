"""Makes the message of a stored event. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from schema.events import Event, EventKind
from schema.message import Message, MessageMonitor
from schema.status import Status


def message_from_event(event: Event, delivery_id: str) -> Message:
    """What one delivery of this event says. Facts that the event does not hold stay empty."""
    data = event.data
    return Message(
        delivery_id=delivery_id,
        event=event.event,
        at=event.at,
        monitor=_monitor(data.get("monitor")),
        status=_status(data.get("status")),
        msg=str(data.get("msg") or ""),
        started_at=_instant(data.get("started_at")),
        duration_s=_number(data.get("duration")),
        ping_ms=_number(data.get("ping")),
        test=event.event is EventKind.TEST or data.get("test") is True,
        incident_id=str((data.get("incident") or {}).get("id", "")),
        reminder=data.get("reminder") is True,
        facts=msgspec.to_builtins(data),
    )


def _monitor(told: Mapping[str, Any] | None) -> MessageMonitor | None:
    if not told:
        return None
    return MessageMonitor(id=str(told.get("id", "")), name=str(told.get("name", "")), type=str(told.get("type", "")))


def _status(told: object) -> Status | None:
    """The monitor's; what other events call so is theirs."""
    return Status(told) if isinstance(told, int) else None


def _instant(told: str | datetime | None) -> datetime | None:
    return msgspec.convert(told, datetime) if told else None


def _number(told: float | None) -> float | None:
    """A number as short as it can be written: 12, not 12.0, so that every JSON library writes it back alike."""
    if told is None:
        return None
    short = round(told, 3)
    return int(short) if short == int(short) else short
