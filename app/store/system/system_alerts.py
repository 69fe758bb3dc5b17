"""Open alerts of self-monitoring. They are stored, so that a restart sends none twice."""

from functools import cache

from piccolo.query.base import FrozenQuery

from app.store.tables.system_alerts import SystemAlertRow
from schema.events import EventKind


async def list_open() -> dict[EventKind, int]:
    """Open alerts: kind → when it was opened, epoch milliseconds."""
    return {EventKind(row["kind"]): row["opened_ms"] for row in await _all_alerts().run()}


async def open_alert(kind: EventKind, at_ms: int) -> bool:
    """Open an alert, in the caller's transaction. False when another process did, and so sends it."""
    alert = SystemAlertRow(kind=str(kind), opened_ms=at_ms)
    opened = await SystemAlertRow.insert(alert).on_conflict(action="DO NOTHING").returning(SystemAlertRow.kind)
    return bool(opened)


async def close_alert(kind: EventKind, opened_ms: int) -> bool:
    """Close the alert that was opened then, in the caller's transaction. False when another process did."""
    is_alert = (SystemAlertRow.kind == str(kind)) & (SystemAlertRow.opened_ms == opened_ms)
    return bool(await SystemAlertRow.delete().where(is_alert).returning(SystemAlertRow.kind))


@cache
def _all_alerts() -> FrozenQuery:
    return SystemAlertRow.select(SystemAlertRow.kind, SystemAlertRow.opened_ms).freeze()
