"""Merges heartbeats messages: with many subscribers, the number of sends is expensive, not their size."""

import asyncio
from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from schema.ws_messages import HeartbeatFrame

PER_SUBSCRIBER_S = 80e-6  # twice the cost of a send, so that the fan-out uses half a core at most
MIN_PAUSE_S = 0.005  # a shorter pause is skipped

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(HeartbeatFrame)


class Coalescer:
    """Holds messages for a pause that grows with the number of subscribers, then delivers them as one."""

    def __init__(self, deliver: Callable[[int, bytes], None], count_subscribers: Callable[[], int]) -> None:
        self._deliver = deliver
        self._count_subscribers = count_subscribers
        self._texts: list[bytes] = []
        self._seq = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, seq: int, text: bytes) -> None:
        """Take a message. With few subscribers it is delivered at once."""
        self._texts.append(text)
        self._seq = seq
        pause_s = self._count_subscribers() * PER_SUBSCRIBER_S
        if pause_s < MIN_PAUSE_S:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(pause_s, self.flush)

    def flush(self) -> None:
        """Deliver the held messages now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._texts:
            texts, self._texts = self._texts, []
            self._deliver(self._seq, merge_frames(texts))


def merge_frames(texts: list[bytes]) -> bytes:
    """One message with all heartbeats, under the last message's number and time."""
    if len(texts) == 1:
        return texts[0]
    frames = [_decoder.decode(text) for text in texts]
    return _encoder.encode(replace(frames[-1], data=[beat for frame in frames for beat in frame.data]))
