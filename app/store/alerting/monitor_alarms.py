"""Ends what channels were alerted of about a monitor that is paused, deleted or begins anew, besides its incident."""

from collections.abc import Sequence
from typing import Any

from app.store.alerting import expiry_notices, outbox
from app.store.tables.monitors import SeriesRow
from schema.events import Event, EventKind
from schema.monitors import Monitor
from schema.status import Status

ENDING_EVENTS = (EventKind.MONITOR_DELETED, EventKind.MONITOR_PAUSED)


async def close_for_monitor(monitor: Monitor, kinds: Sequence[EventKind], now_ms: int) -> list[Event]:
    """The events of what is over with a change, inside the caller's transaction, which has locked the series.

    kinds    events of the change; without a pause or a deletion nothing is over
    """
    kind = next((kind for kind in ENDING_EVENTS if kind in kinds), None)
    if kind is None:
        return []
    events = await close_conditions(monitor, kind, now_ms)
    if kind is EventKind.MONITOR_DELETED:  # a paused monitor's certificate expires all the same
        events += await expiry_notices.close_for_monitor(monitor, kind, now_ms)
    return events


async def close_conditions(monitor: Monitor, kind: EventKind, now_ms: int) -> list[Event]:
    """End *degraded* and *unknown*, as far as they were announced.

    kind    the event that ends it
    """
    row = SeriesRow
    is_announced = row.degraded_ms.is_not_null() | row.unknown_ms.is_not_null()
    announced = await row.select(row.degraded_ms, row.unknown_ms).where(row.monitor_id == monitor.id, is_announced)
    if not announced:
        return []
    nothing: dict[Any, Any] = {"degraded_ms": None, "unknown_ms": None}
    await row.update(nothing).where(row.monitor_id == monitor.id)
    about = {"id": monitor.id, "name": monitor.name, "type": monitor.type}
    begun = [(what, one[column]) for one in announced for what, column in _CONDITIONS if one[column] is not None]
    return [outbox.cleared_event(about, what, since_ms, now_ms, ended_by=str(kind)) for what, since_ms in begun]


_CONDITIONS = ((Status.DEGRADED.name.lower(), "degraded_ms"), (Status.UNKNOWN.name.lower(), "unknown_ms"))
