"""Events: facts that others may want. One catalogue for channels, WebSocket, webhooks and audit."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct


class EventKind(StrEnum):
    """Every event there is."""

    MONITOR_DOWN = "monitor.down"
    MONITOR_UP = "monitor.up"
    MONITOR_DEGRADED = "monitor.degraded"
    MONITOR_UNKNOWN = "monitor.unknown"
    MONITOR_CREATED = "monitor.created"
    MONITOR_UPDATED = "monitor.updated"
    MONITOR_DELETED = "monitor.deleted"
    MONITOR_PAUSED = "monitor.paused"
    MONITOR_RESUMED = "monitor.resumed"
    SCHEDULE_LAG = "system.schedule_lag"
    TEST = "channel.test"


class Event(Struct, frozen=True, kw_only=True):
    """One fact, at the time it became true.

    data    for monitor.*: monitor{id,name,type}, status, msg, started_at (of the outage), duration (s, on up),
            ping (ms); what a message needs and nothing secret
    """

    id: str
    event: EventKind
    at: datetime
    monitor_id: str | None = None
    data: dict[str, Any] = {}


class Delivery(Struct, frozen=True, kw_only=True):
    """One event on its way to one channel. `id` is the idempotency key: the same on every attempt."""

    id: str
    event_id: str
    channel_id: str
    monitor_id: str | None
    state: str  # pending, sending, sent, dead
    attempts: int
    next_attempt_at: datetime | None
    error: str
    created_at: datetime
    sent_at: datetime | None
