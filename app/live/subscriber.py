"""One socket's side of the hub: a bounded backlog, and the word `gap` for what fell out of it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection

import msgspec
from msgspec import Struct

from schema.ws_messages import GapFrame

BACKLOG = 256  # messages a slow reader may owe; their text is shared by all readers

_encoder = msgspec.json.Encoder()


class Message(Struct, frozen=True):
    """A numbered message of a channel, encoded once for everybody. Without a text: all up to `seq` is lost."""

    channel: str
    seq: int
    text: str = ""


Show = Callable[[Message], Awaitable[str]]


async def whole(message: Message) -> str:
    """What somebody is shown of a message who may see everything."""
    return message.text


class Reader:
    """Sends messages to one socket, in order, as fast as that socket takes them.

    pen    whoever holds it writes; the replay of old messages keeps new ones waiting with it
    show   what the socket is shown of a message; empty: nothing
    """

    def __init__(self, send: Callable[[str], Awaitable[None]], show: Show = whole) -> None:
        self.pen = asyncio.Lock()
        self._show = show
        self._send = send
        self._at: dict[str, int] = {}
        self._backlog: deque[Message] = deque()
        self._cut: dict[str, int] = {}
        self._wake = asyncio.Event()

    @property
    def channels(self) -> Collection[str]:
        """What is followed."""
        return self._at.keys()

    def follow(self, channel: str, at: int) -> None:
        """Expect the messages of a channel after number `at`."""
        self._at[channel] = at

    def forget(self, channel: str) -> None:
        """Send no more of a channel, not even what waits."""
        self._at.pop(channel, None)
        self._cut.pop(channel, None)

    def keep(self, message: Message) -> None:
        """Queue a message; when the backlog is full the oldest one gives way. Never waits; `wake` has it sent."""
        if len(self._backlog) >= BACKLOG:
            oldest = self._backlog.popleft()
            self._cut[oldest.channel] = oldest.seq
        self._backlog.append(message)

    def wake(self) -> None:
        """Send what is queued, soon."""
        self._wake.set()

    async def run(self) -> None:
        """Send what is queued, at each `wake`, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._backlog or self._cut:
                async with self.pen:
                    await self._next()

    async def tell(self, message: Message) -> None:
        """Send one message, or the gap that it stands for, unless it is known or no longer wanted. Needs the pen."""
        at = self._at.get(message.channel)
        if at is None or message.seq <= at:
            return
        self._at[message.channel] = message.seq
        if not message.text:
            await self.tell_gap(message.channel, at, message.seq + 1)
        elif shown := await self._show(message):
            await self._send(shown)

    async def tell_gap(self, channel: str, after: int, before: int) -> None:
        """Say which numbers are gone. Needs the pen."""
        await self._send(_encoder.encode(GapFrame(channel=channel, after=after, before=before)).decode())

    async def _next(self) -> None:
        if self._cut:
            await self.tell(Message(*self._cut.popitem()))
        elif self._backlog:
            await self.tell(self._backlog.popleft())
