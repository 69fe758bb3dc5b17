"""A socket's subscriber at the hub: a bounded backlog, and a gap frame for messages dropped from it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection

import msgspec
from msgspec import Struct

from schema.ws_messages import GapFrame

BACKLOG = 256  # messages queued for a slow socket; subscribers share the texts

_encoder = msgspec.json.Encoder()


class LiveMessage(Struct, frozen=True):
    """A numbered message of a channel, encoded once for all sockets. Without text, all up to `seq` is lost."""

    channel: str
    seq: int
    text: str = ""


MessageFilter = Callable[[LiveMessage], Awaitable[str]]


async def unfiltered_text(message: LiveMessage) -> str:
    """The whole text, for a principal who may see everything."""
    return message.text


class LiveSubscriber:
    """Sends messages to one socket, in order, as fast as the socket accepts them.

    write_lock        must be held to write; the replay of old messages holds it to delay new ones
    filter_message    the text to send of a message; empty: nothing
    """

    def __init__(self, send: Callable[[str], Awaitable[None]], filter_message: MessageFilter = unfiltered_text) -> None:
        self.write_lock = asyncio.Lock()
        self._filter = filter_message
        self._send = send
        self._positions: dict[str, int] = {}
        self._backlog: deque[LiveMessage] = deque()
        self._dropped: dict[str, int] = {}
        self._wake = asyncio.Event()

    @property
    def channels(self) -> Collection[str]:
        """The channels it follows."""
        return self._positions.keys()

    def follow(self, channel: str, at: int) -> None:
        """Expect the messages of a channel after number `at`."""
        self._positions[channel] = at

    def forget(self, channel: str) -> None:
        """Send no more messages of a channel, queued ones included."""
        self._positions.pop(channel, None)
        self._dropped.pop(channel, None)

    def enqueue(self, message: LiveMessage) -> None:
        """Queue a message, dropping the oldest if the backlog is full. Never waits; `wake` starts sending."""
        if len(self._backlog) >= BACKLOG:
            oldest = self._backlog.popleft()
            self._dropped[oldest.channel] = oldest.seq
        self._backlog.append(message)

    def wake(self) -> None:
        """Start sending queued messages."""
        self._wake.set()

    async def run(self) -> None:
        """Send queued messages after each `wake`, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._backlog or self._dropped:
                async with self.write_lock:
                    await self._send_next()

    async def send_message(self, message: LiveMessage) -> None:
        """Send one message, or its gap, unless it was sent or is not followed. The caller holds `write_lock`."""
        position = self._positions.get(message.channel)
        if position is None or message.seq <= position:
            return
        self._positions[message.channel] = message.seq
        if not message.text:
            await self.send_gap(message.channel, position, message.seq + 1)
        elif text := await self._filter(message):
            await self._send(text)

    async def send_gap(self, channel: str, after: int, before: int) -> None:
        """Send the range of lost numbers. The caller holds `write_lock`."""
        await self._send(_encoder.encode(GapFrame(channel=channel, after=after, before=before)).decode())

    async def _send_next(self) -> None:
        if self._dropped:
            await self.send_message(LiveMessage(*self._dropped.popitem()))
        elif self._backlog:
            await self.send_message(self._backlog.popleft())
