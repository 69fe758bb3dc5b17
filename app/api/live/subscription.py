"""Somebody on a line, signed in: what each of their messages does."""

import asyncio
from collections.abc import Iterable

from litestar.exceptions import WebSocketDisconnect
from msgspec import UNSET

from app.api.live.connection import HangUp, Line
from app.errors import Conflict, Invalid, Refusal
from app.live import channels as feeds
from app.live.hub import Hub
from app.live.subscriber import Reader, Show
from schema.users import Principal
from schema.ws_messages import Auth, Incoming, Outgoing, Ping, Pong, Subscribe, Subscribed, Unsubscribe, Unsubscribed

MOST_CHANNELS = 100  # per socket


class Caller:
    """Follows channels for one principal, until the peer leaves or the session ends."""

    def __init__(self, line: Line, principal: Principal, hub: Hub, show: Show) -> None:
        self.principal = principal
        self.line = line
        self._hub = hub
        self._reader = Reader(line.write, show)
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(self, end: HangUp) -> None:
        """Have the line hung up, from outside."""
        if not self._ended.done():
            self._ended.set_exception(end)

    def ping(self) -> None:
        """Send a ping frame, unless a message is being sent: that is as good."""
        if not self._reader.pen.locked():
            self.line.inflow.ping()

    async def stay(self) -> None:
        """Listen and talk. Returns when the peer has left; raises HangUp when we are to close."""
        jobs = [asyncio.ensure_future(job) for job in (self._listen(), self._reader.run(), self._ended)]
        try:
            done, _ = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
            self._leave(tuple(self._reader.channels))
        for job in done:
            job.result()

    async def _listen(self) -> None:
        while True:
            try:
                await self._act(await self.line.read())
            except WebSocketDisconnect:
                return
            except Refusal as refusal:
                async with self._reader.pen:
                    await self.line.refuse(refusal)

    async def _act(self, message: Incoming) -> None:
        match message:
            case Ping():
                await self._say(Pong(timestamp=message.timestamp))
            case Subscribe():
                await self._subscribe(message)
            case Unsubscribe():
                self._leave(message.channels)
                await self._say(Unsubscribed(channels=message.channels))
            case Auth():
                raise Conflict("You are signed in already; to be somebody else, connect again.")

    async def _say(self, frame: Outgoing) -> None:
        async with self._reader.pen:
            await self.line.say(frame)

    async def _subscribe(self, message: Subscribe) -> None:
        """Follow those channels that there are and that are allowed; each other one is an error of its own.

        Old messages come before new ones, which wait for the pen meanwhile.
        """
        channels, refused = feeds.allowed(self.principal, message.channels)
        if len({*self._reader.channels, *channels}) > MOST_CHANNELS:
            raise Invalid.one("channels", f"A connection may follow {MOST_CHANNELS} channels.")
        async with self._reader.pen:
            for refusal in refused:
                await self.line.refuse(refusal)
            if not channels:
                return
            newest = {channel: self._hub.join(channel, self._reader) for channel in channels}
            await self.line.say(Subscribed(channels=channels, seq=newest))
            for channel in channels:
                since = message.since.get(channel, UNSET) if isinstance(message.since, dict) else message.since
                if since is not UNSET:
                    await self._replay(channel, since, newest[channel])

    async def _replay(self, channel: str, since: int, newest: int) -> None:
        if since > newest:  # numbers of another Redis, or of a process that heard more: nobody can say what is missing
            await self._reader.tell_gap(channel, since, newest + 1)
            return
        self._reader.follow(channel, since)
        async for message in self._hub.replay(channel, since, newest):
            await self._reader.tell(message)

    def _leave(self, channels: Iterable[str]) -> None:
        for channel in channels:
            self._hub.leave(channel, self._reader)
