"""What a channel shows of its source's messages: the text itself, or one monitor's part of it. Pure.

A heartbeats message is decoded only when somebody follows a monitor.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator

import msgspec
from msgspec.structs import replace

from app.live.feeds import HEARTBEATS, MONITOR, monitor_channel
from app.live.reader import Message
from schema.frames import HeartbeatFrame
from schema.heartbeats import Heartbeat

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(HeartbeatFrame)


def of_source(source: str, seq: int, text: bytes, followed: Collection[str]) -> Iterator[Message]:
    """One message for each followed channel that this text says something to."""
    if source in followed:
        yield Message(source, seq, text.decode())
    if source == HEARTBEATS and any(channel.startswith(MONITOR) for channel in followed):
        for channel, excerpt in _by_monitor(text, followed).items():
            yield Message(channel, seq, excerpt)


def of_channel(channel: str, text: bytes) -> str:
    """What one channel shows of one text; empty when nothing."""
    if not channel.startswith(MONITOR):
        return text.decode()
    return _by_monitor(text, {channel}).get(channel, "")


def _by_monitor(text: bytes, followed: Collection[str]) -> dict[str, str]:
    frame = _decoder.decode(text)
    parts: defaultdict[str, list[Heartbeat]] = defaultdict(list)
    for beat in frame.data:
        if (channel := monitor_channel(beat.monitor_id)) in followed:
            parts[channel].append(beat)
    return {
        channel: _encoder.encode(replace(frame, channel=channel, data=beats)).decode()
        for channel, beats in parts.items()
    }
