"""Alerts others that a channel fails, and that it works again. `channels.alerted_ms` holds that this is open.

Runs inside the transaction that changes the channel, and returns the deliveries: channel id -> delivery ids.
"""

from typing import Any

from app import clock
from app.store.alerting import outbox
from app.store.alerting.channel_rows import StoredChannel
from app.store.tables.channels import ChannelRow
from schema.events import EventKind

WORKS = "It took a message."
DELETED, SWITCHED_OFF = "The channel was deleted.", "The channel was switched off."


async def announce_failing(channel: StoredChannel, msg: str, now_ms: int) -> dict[str, list[str]]:
    """Store the event that a channel fails."""
    if channel.alerted_ms is None:
        await ChannelRow.update({ChannelRow.alerted_ms: now_ms}).where(ChannelRow.id == channel.id)
    data = _about(channel, msg)
    return (await outbox.record_event(EventKind.CHANNEL_FAILING, data, now_ms))[1]


async def close_working(channel: StoredChannel, now_ms: int) -> dict[str, list[str]]:
    """Store the event that a channel works again, if others were alerted that it fails."""
    return await _close(channel, now_ms, msg=WORKS)


async def close_unused(channel: StoredChannel, why: str, now_ms: int) -> dict[str, list[str]]:
    """Store the event that a channel fails no longer, since it is not used, if others were alerted that it fails."""
    return await _close(channel, now_ms, msg=why, unused=True)


async def _close(channel: StoredChannel, now_ms: int, *, msg: str, **facts: Any) -> dict[str, list[str]]:
    since_ms = channel.alerted_ms
    if since_ms is None:
        return {}
    await ChannelRow.update({ChannelRow.alerted_ms: None}).where(ChannelRow.id == channel.id)
    lasted = {"started_at": clock.instant(since_ms), "duration": max(0, now_ms - since_ms) / 1000}
    data = _about(channel, msg) | lasted | facts
    return (await outbox.record_event(EventKind.RECOVERED, data, now_ms))[1]


def _about(channel: StoredChannel, msg: str) -> dict[str, Any]:
    about = {"id": channel.id, "name": channel.name, "type": channel.type}
    return {"what": "channel_failing", "channel": about, "msg": msg}
