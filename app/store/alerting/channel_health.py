"""Health of channels: the state to show, counts of unhealthy ones, and reset by hand."""

from typing import Any, Literal

from msgspec import Struct

from app import clock, db
from app.errors import NoSuch
from app.store.tables.channels import ChannelRow
from schema.channels.health import ChannelHealth

# The columns of a channel without recorded failures.
HEALTHY_COLUMNS: dict[Any, Any] = {
    "failures": 0,
    "rests_until_ms": 0,
    "refusals": 0,
    "paused_ms": None,
    "paused_reason": "",
    "trouble": "",
    "trouble_ms": None,
}


class UnhealthyChannels(Struct, frozen=True):
    """How many channels have an open circuit, and how many are disabled."""

    circuit_open: int
    disabled: int


def health_of(row: Any, now_ms: int) -> ChannelHealth:
    """The health of a channel's row."""
    is_open = row["rests_until_ms"] > now_ms
    state: Literal["ok", "resting", "paused"] = (
        "paused" if row["paused_ms"] is not None else "resting" if is_open else "ok"
    )
    return ChannelHealth(
        state=state,
        reason=row["paused_reason"] or row["trouble"],
        since=clock.instant_or_none(row["trouble_ms"]),
        failures=row["failures"],
    )


async def count_unhealthy(now_ms: int) -> UnhealthyChannels:
    """Count channels with an open circuit, and disabled ones."""
    (row,) = await db.rows(
        "SELECT COALESCE(sum(CASE WHEN paused_ms IS NULL AND rests_until_ms > ?1 THEN 1 ELSE 0 END), 0) AS resting,"
        " COALESCE(sum(CASE WHEN paused_ms IS NOT NULL THEN 1 ELSE 0 END), 0) AS paused FROM channels"
        " WHERE version > 0",
        now_ms,
    )
    return UnhealthyChannels(int(row["resting"]), int(row["paused"]))


async def resume(channel_id: str) -> None:
    """Enable a channel and close its circuit, so that it is notified at once. Raises NoSuch."""
    channel = (ChannelRow.id == channel_id) & (ChannelRow.kind == "channel") & (ChannelRow.version > 0)
    done = await ChannelRow.update(HEALTHY_COLUMNS).where(channel).returning(ChannelRow.id)
    if not done:
        raise NoSuch("notification-channel", channel_id)
