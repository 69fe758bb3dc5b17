"""Heartbeats: stored results with the status they led to, and their keys."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from schema.field_types import Uuid
from schema.status import Status

EPOCH_MS = 1_577_836_800_000  # 2020-01-01T00:00:00Z: 41 bits of milliseconds from here last until 2089
SERIES_SHIFT = 41  # one 64-bit key sorts by series, then by time, so no second index is needed


def heartbeat_key(series: int, at_ms: int) -> int:
    """The primary key of the heartbeat of a slot."""
    return (series << SERIES_SHIFT) | (at_ms - EPOCH_MS)


def slot_of_key(key: int) -> tuple[int, int]:
    """Series and epoch milliseconds from the key of a heartbeat."""
    return key >> SERIES_SHIFT, (key & ((1 << SERIES_SHIFT) - 1)) + EPOCH_MS


class Heartbeat(Struct, frozen=True, kw_only=True):
    """The stored result of one check."""

    id: Annotated[str, Meta(description="Opaque id; also the cursor of the list.")]
    monitor_id: Uuid
    status: Annotated[Status, Meta(description="0 down, 1 up, 2 pending, 3 maintenance, 4 degraded, 5 unknown")]
    raw_status: Annotated[
        Status, Meta(description="Status of the check itself, before retries and maintenance windows.")
    ]
    time: Annotated[datetime, Meta(description="Time at which the check was due.")]
    ping: Annotated[float | None, Meta(description="Duration of the check, in milliseconds.")]
    msg: str
    important: Annotated[bool, Meta(description="Whether the monitor went down or recovered with this heartbeat.")]
    detail: dict[str, Any] | None = None
