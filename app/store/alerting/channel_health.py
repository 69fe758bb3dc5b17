"""Health of channels: the state to show, counts of unhealthy ones, and reset by hand."""

from typing import Any, Literal

from msgspec import Struct

from app import clock, db
from app.errors import NoSuch
from schema.channels.health import ChannelHealth

# The columns of a channel without recorded failures.
HEALTHY_COLUMNS: dict[str, Any] = {
    "temporary_failures": 0,
    "circuit_open_until_ms": 0,
    "permanent_failures": 0,
    "disabled_ms": None,
    "disabled_reason": "",
    "last_error": "",
    "failing_since_ms": None,
}


class UnhealthyChannels(Struct, frozen=True):
    """How many channels have an open circuit, and how many are disabled."""

    circuit_open: int
    disabled: int


def health_of(row: Any, now_ms: int) -> ChannelHealth:
    """The health of a channel's row."""
    is_open = row["circuit_open_until_ms"] > now_ms
    state: Literal["ok", "resting", "paused"] = (
        "paused" if row["disabled_ms"] is not None else "resting" if is_open else "ok"
    )
    return ChannelHealth(
        state=state,
        reason=row["disabled_reason"] or row["last_error"],
        since=None if row["failing_since_ms"] is None else clock.instant(row["failing_since_ms"]),
        failures=row["temporary_failures"],
    )


async def count_unhealthy(now_ms: int) -> UnhealthyChannels:
    """Count channels with an open circuit, and disabled ones."""
    (row,) = await db.rows(
        "SELECT COALESCE(sum(CASE WHEN disabled_ms IS NULL AND circuit_open_until_ms > ?1 THEN 1 ELSE 0 END), 0)"
        " AS resting,"
        " COALESCE(sum(CASE WHEN disabled_ms IS NOT NULL THEN 1 ELSE 0 END), 0) AS paused FROM channels"
        " WHERE NOT is_temporary",
        now_ms,
    )
    return UnhealthyChannels(int(row["resting"]), int(row["paused"]))


async def resume(channel_id: str) -> None:
    """Enable a channel and close its circuit, so that it is notified at once. Raises NoSuch."""
    done = await db.rows(
        "UPDATE channels SET temporary_failures = 0, circuit_open_until_ms = 0, permanent_failures = 0,"
        " disabled_ms = NULL, disabled_reason = '', last_error = '', failing_since_ms = NULL"
        " WHERE id = ?1 AND NOT is_temporary AND kind = 'channel' RETURNING id",
        channel_id,
    )
    if not done:
        raise NoSuch("notification-channel", channel_id)
