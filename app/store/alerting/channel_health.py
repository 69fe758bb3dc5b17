"""How channels do: counted, and made well by hand."""

from typing import Any, Literal

from msgspec import Struct

from app import clock, db
from app.errors import NoSuch
from schema.channels.health import ChannelHealth

# The columns of a channel that nothing is known against.
HEALTHY_COLUMNS: dict[str, Any] = {
    "failures": 0,
    "rests_until_ms": 0,
    "refusals": 0,
    "paused_ms": None,
    "paused_reason": "",
    "trouble": "",
    "trouble_ms": None,
}


class UnhealthyChannels(Struct, frozen=True):
    """Channels in trouble."""

    circuit_open: int
    disabled: int


def health_of(row: Any, now_ms: int) -> ChannelHealth:
    """How the channel of a row does."""
    resting = row["rests_until_ms"] > now_ms
    state: Literal["ok", "resting", "paused"] = (
        "paused" if row["paused_ms"] is not None else "resting" if resting else "ok"
    )
    return ChannelHealth(
        state=state,
        reason=row["paused_reason"] or row["trouble"],
        since=None if row["trouble_ms"] is None else clock.instant(row["trouble_ms"]),
        failures=row["failures"],
    )


async def count_unhealthy(now_ms: int) -> UnhealthyChannels:
    """How many channels rest, and how many are paused."""
    (row,) = await db.rows(
        "SELECT COALESCE(sum(CASE WHEN paused_ms IS NULL AND rests_until_ms > ?1 THEN 1 ELSE 0 END), 0) AS resting,"
        " COALESCE(sum(CASE WHEN paused_ms IS NOT NULL THEN 1 ELSE 0 END), 0) AS paused FROM channels"
        " WHERE version > 0",
        now_ms,
    )
    return UnhealthyChannels(int(row["resting"]), int(row["paused"]))


async def resume(channel_id: str) -> None:
    """Tell a channel again, at once: neither its rest nor its pause holds any longer. Raises NoSuch."""
    done = await db.rows(
        "UPDATE channels SET failures = 0, rests_until_ms = 0, refusals = 0, paused_ms = NULL, paused_reason = '',"
        " trouble = '', trouble_ms = NULL WHERE id = ?1 AND version > 0 AND kind = 'channel' RETURNING id",
        channel_id,
    )
    if not done:
        raise NoSuch("notification-channel", channel_id)
