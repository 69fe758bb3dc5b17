"""Heartbeats messages that leave together: with many readers, sending is what costs, not saying more at once."""

import asyncio
from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from schema.ws_messages import HeartbeatFrame

PER_SUBSCRIBER_S = (
    80e-6  # twice what a send costs: the fan-out leaves half a core to everything else, whatever comes in
)
MIN_PAUSE_S = 0.005  # a pause shorter than this is none

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(HeartbeatFrame)


class Coalescer:
    """Holds messages back for a pause that grows with the number of readers, then hands them on as one."""

    def __init__(self, deliver: Callable[[int, bytes], None], count_subscribers: Callable[[], int]) -> None:
        self._deliver = deliver
        self._count_subscribers = count_subscribers
        self._texts: list[bytes] = []
        self._seq = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, seq: int, text: bytes) -> None:
        """Take a message; it leaves at once when there are few readers."""
        self._texts.append(text)
        self._seq = seq
        pause_s = self._count_subscribers() * PER_SUBSCRIBER_S
        if pause_s < MIN_PAUSE_S:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(pause_s, self.flush)

    def flush(self) -> None:
        """Hand on what is held, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._texts:
            texts, self._texts = self._texts, []
            self._deliver(self._seq, merge_frames(texts))


def merge_frames(texts: list[bytes]) -> bytes:
    """Several messages as one: all their heartbeats under the last number and time."""
    if len(texts) == 1:
        return texts[0]
    frames = [_decoder.decode(text) for text in texts]
    return _encoder.encode(replace(frames[-1], data=[beat for frame in frames for beat in frame.data]))
