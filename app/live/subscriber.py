"""One socket's side of the hub: a bounded backlog, and the word `gap` for what fell out of it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection

import msgspec
from msgspec import Struct

from schema.ws_messages import GapFrame

BACKLOG = 256  # messages a slow reader may owe; their text is shared by all readers

_encoder = msgspec.json.Encoder()


class LiveMessage(Struct, frozen=True):
    """A numbered message of a channel, encoded once for everybody. Without a text: all up to `seq` is lost."""

    channel: str
    seq: int
    text: str = ""


MessageFilter = Callable[[LiveMessage], Awaitable[str]]


async def unfiltered_text(message: LiveMessage) -> str:
    """What somebody is shown of a message who may see everything."""
    return message.text


class LiveSubscriber:
    """Sends messages to one socket, in order, as fast as that socket takes them.

    pen    whoever holds it writes; the replay of old messages keeps new ones waiting with it
    show   what the socket is shown of a message; empty: nothing
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
        """What is followed."""
        return self._positions.keys()

    def follow(self, channel: str, at: int) -> None:
        """Expect the messages of a channel after number `at`."""
        self._positions[channel] = at

    def forget(self, channel: str) -> None:
        """Send no more of a channel, not even what waits."""
        self._positions.pop(channel, None)
        self._dropped.pop(channel, None)

    def enqueue(self, message: LiveMessage) -> None:
        """Queue a message; when the backlog is full the oldest one gives way. Never waits; `wake` has it sent."""
        if len(self._backlog) >= BACKLOG:
            oldest = self._backlog.popleft()
            self._dropped[oldest.channel] = oldest.seq
        self._backlog.append(message)

    def wake(self) -> None:
        """Send what is queued, soon."""
        self._wake.set()

    async def run(self) -> None:
        """Send what is queued, at each `wake`, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._backlog or self._dropped:
                async with self.write_lock:
                    await self._send_next()

    async def send_message(self, message: LiveMessage) -> None:
        """Send one message, or the gap that it stands for, unless it is known or no longer wanted. Needs the pen."""
        at = self._positions.get(message.channel)
        if at is None or message.seq <= at:
            return
        self._positions[message.channel] = message.seq
        if not message.text:
            await self.send_gap(message.channel, at, message.seq + 1)
        elif shown := await self._filter(message):
            await self._send(shown)

    async def send_gap(self, channel: str, after: int, before: int) -> None:
        """Say which numbers are gone. Needs the pen."""
        await self._send(_encoder.encode(GapFrame(channel=channel, after=after, before=before)).decode())

    async def _send_next(self) -> None:
        if self._dropped:
            await self.send_message(LiveMessage(*self._dropped.popitem()))
        elif self._backlog:
            await self.send_message(self._backlog.popleft())
