"""Writes history: series with their schedule periods, heartbeats and gaps, as the pipeline would."""

from collections.abc import Iterable

from app import db
from app.domain.schedule.slots import slots_between
from app.store.tables.channels import ChannelRow
from app.store.tables.events import DeliveryRow, EventRow
from app.store.tables.heartbeats import RAW_STATUS_SHIFT, HeartbeatDetailRow, HeartbeatRow
from app.store.tables.monitors import SeriesRow
from schema.heartbeats import heartbeat_key
from schema.status import Status

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
START = 1_767_225_600_000  # 2026-01-01T00:00:00Z


async def series(no: int, *periods: tuple[int, int], deleted_ms: int | None = None) -> None:
    """A series; by default due every minute since the start."""
    await SeriesRow.insert(SeriesRow(no=no, monitor_id=f"monitor-{no}", deleted_ms=deleted_ms))
    for from_ms, every_ms in periods or [(START, MINUTE)]:
        await db.rows(
            "INSERT INTO schedule_periods (series, from_ms, interval_ms) VALUES (?1, ?2, ?3)", no, from_ms, every_ms
        )


async def beats(no: int, slots: Iterable[int], status: Status = Status.UP, flags: int = 0) -> None:
    """Heartbeats at these instants."""
    rows = [
        HeartbeatRow(
            id=heartbeat_key(no, at), status=status, flags=flags | status << RAW_STATUS_SHIFT, took_us=50_000, code=200
        )
        for at in slots
    ]
    for first in range(0, len(rows), 500):
        await HeartbeatRow.insert(*rows[first : first + 500])


async def details(no: int, slots: Iterable[int]) -> None:
    """Messages of these heartbeats."""
    await HeartbeatDetailRow.insert(*[HeartbeatDetailRow(id=heartbeat_key(no, at), message="refused") for at in slots])


async def gap(no: int, from_ms: int, to_ms: int) -> None:
    """Slots without a check."""
    await db.rows("INSERT INTO gaps (series, from_ms, to_ms, reason) VALUES (?1, ?2, ?3, 'asleep')", no, from_ms, to_ms)


async def event(name: str, at_ms: int) -> None:
    """An event without deliveries."""
    await EventRow.insert(EventRow(id=name, kind="monitor.down", at_ms=at_ms, data="{}", created_ms=at_ms))


async def delivery(name: str, of_event: str) -> None:
    """A pending delivery."""
    channel = ChannelRow(id="ops", name="ops", type="webhook", config="{}", created_ms=START, updated_ms=START)
    await ChannelRow.insert(channel)
    await DeliveryRow.insert(
        DeliveryRow(id=name, event_id=of_event, channel_id="ops", at_ms=START, next_attempt_ms=START, created_ms=START)
    )


def slots(no: int, from_ms: int, to_ms: int, every: int = MINUTE) -> list[int]:
    """Due times."""
    return list(slots_between(no, every, from_ms, to_ms))
