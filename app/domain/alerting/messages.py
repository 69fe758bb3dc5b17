"""Converts a stored event into the message of a delivery. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from schema.events import Event, EventKind
from schema.message import Message, MessageMonitor
from schema.status import Status


def message_from_event(event: Event, delivery_id: str) -> Message:
    """The message of one delivery of this event. What the event does not hold stays empty."""
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


def _monitor(data: Mapping[str, Any] | None) -> MessageMonitor | None:
    if not data:
        return None
    return MessageMonitor(id=str(data.get("id", "")), name=str(data.get("name", "")), type=str(data.get("type", "")))


def _status(value: object) -> Status | None:
    """The monitor's status. Other events may hold a `status` of their own, which is no number."""
    return Status(value) if isinstance(value, int) else None


def _instant(value: str | datetime | None) -> datetime | None:
    return msgspec.convert(value, datetime) if value else None


def _number(value: float | None) -> float | None:
    """A number in its shortest form: 12, not 12.0, so that every JSON library writes it back alike."""
    if value is None:
        return None
    short = round(value, 3)
    return int(short) if short == int(short) else short
