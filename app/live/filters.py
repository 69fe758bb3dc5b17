"""Splits and filters a source's messages by channel and by visible monitors. Pure.

A heartbeats message is decoded only if a subscriber follows a single monitor, or may see some monitors only.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from app.live.channels import HEARTBEATS, MONITOR_PREFIX, monitor_channel
from app.live.subscriber import LiveMessage
from schema.heartbeats import Heartbeat
from schema.ws_messages import HeartbeatFrame

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(HeartbeatFrame)


class EventSubject(Struct, frozen=True):
    """The fields of an event's message that decide who may see it."""

    event: str
    monitor_id: str | None = None


_subjects = msgspec.json.Decoder(EventSubject)


def subject_of(text: str) -> EventSubject:
    """The subject of an event's message."""
    return _subjects.decode(text)


def filter_by_monitors(text: str, monitor_ids: Collection[str]) -> str:
    """A heartbeats message reduced to these monitors' heartbeats; empty if none is left."""
    frame = _decoder.decode(text)
    beats = [beat for beat in frame.data if beat.monitor_id in monitor_ids]
    if len(beats) == len(frame.data):
        return text
    return _encoder.encode(replace(frame, data=beats)).decode() if beats else ""


def split_by_channel(source: str, seq: int, text: bytes, followed: Collection[str]) -> Iterator[LiveMessage]:
    """One message for each followed channel that this text has data for."""
    if source in followed:
        yield LiveMessage(source, seq, text.decode())
    if source == HEARTBEATS and any(channel.startswith(MONITOR_PREFIX) for channel in followed):
        for channel, excerpt in _split_by_monitor(text, followed).items():
            yield LiveMessage(channel, seq, excerpt)


def filter_by_channel(channel: str, text: bytes) -> str:
    """The part of a text that belongs to one channel; may be empty."""
    if not channel.startswith(MONITOR_PREFIX):
        return text.decode()
    return _split_by_monitor(text, {channel}).get(channel, "")


def _split_by_monitor(text: bytes, followed: Collection[str]) -> dict[str, str]:
    frame = _decoder.decode(text)
    parts: defaultdict[str, list[Heartbeat]] = defaultdict(list)
    for beat in frame.data:
        if (channel := monitor_channel(beat.monitor_id)) in followed:
            parts[channel].append(beat)
    return {
        channel: _encoder.encode(replace(frame, channel=channel, data=beats)).decode()
        for channel, beats in parts.items()
    }
