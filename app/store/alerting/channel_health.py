"""Health of channels: the state to show, counts of unhealthy ones, and reset by hand."""

from functools import cache
from typing import Any, Literal

from msgspec import Struct
from piccolo.query.base import FrozenQuery

from app import clock
from app.errors import NoSuch
from app.store.alerting.channel_rows import StoredChannel
from app.store.tables.channels import ChannelRow
from schema.channels.health import ChannelHealth

# The columns of a channel without recorded failures.
HEALTHY_COLUMNS: dict[Any, Any] = {
    ChannelRow.temporary_failures: 0,
    ChannelRow.circuit_open_until_ms: 0,
    ChannelRow.permanent_failures: 0,
    ChannelRow.rejected_messages: 0,
    ChannelRow.disabled_ms: None,
    ChannelRow.disabled_reason: "",
    ChannelRow.last_error: "",
    ChannelRow.failing_since_ms: None,
}


class UnhealthyChannels(Struct, frozen=True):
    """How many channels have an open circuit, and how many are disabled."""

    circuit_open: int
    disabled: int


def health_of(channel: StoredChannel, now_ms: int) -> ChannelHealth:
    """The health of a channel."""
    is_open = channel.circuit_open_until_ms > now_ms
    state: Literal["ok", "backing_off", "disabled"] = (
        "disabled" if channel.disabled_ms is not None else "backing_off" if is_open else "ok"
    )
    return ChannelHealth(
        state=state,
        reason=channel.disabled_reason or channel.last_error,
        since=clock.instant_or_none(channel.failing_since_ms),
        failures=channel.temporary_failures,
        rejections=channel.permanent_failures + channel.rejected_messages,
    )


async def count_unhealthy(now_ms: int) -> UnhealthyChannels:
    """Count channels with an open circuit, and disabled ones."""
    found = await _failing_channels().run()
    disabled = sum(row["disabled_ms"] is not None for row in found)
    circuit_open = sum(row["disabled_ms"] is None and row["circuit_open_until_ms"] > now_ms for row in found)
    return UnhealthyChannels(circuit_open, disabled)


@cache
def _failing_channels() -> FrozenQuery:
    """Disabled channels, and those whose circuit is open or was when they failed last."""
    has_failed = ChannelRow.disabled_ms.is_not_null() | (ChannelRow.circuit_open_until_ms > 0)
    failing = ChannelRow.select(ChannelRow.disabled_ms, ChannelRow.circuit_open_until_ms).where(has_failed)
    return failing.where(ChannelRow.is_temporary.eq(value=False)).freeze()


async def resume(channel_id: str) -> None:
    """Enable a channel and close its circuit, so that it is notified at once. Raises NoSuch."""
    is_channel = (ChannelRow.id == channel_id) & (ChannelRow.kind == "channel")
    resumed = await (
        ChannelRow.update(HEALTHY_COLUMNS)
        .where(is_channel, ChannelRow.is_temporary.eq(value=False))
        .returning(ChannelRow.id)
    )
    if not resumed:
        raise NoSuch("notification-channel", channel_id)
