"""A signed-in connection: handles its messages and sends those of the channels it follows."""

import asyncio
from collections.abc import Iterable

from litestar.exceptions import WebSocketDisconnect
from msgspec import UNSET

from app import tasks
from app.api.live.connection import CloseConnection, LiveConnection
from app.errors import Conflict, Invalid, Refusal
from app.live.channels import allowed_channels
from app.live.hub import Hub
from app.live.subscriber import LiveSubscriber, MessageFilter
from schema.users import Principal
from schema.ws_messages import (
    Auth,
    Incoming,
    Outgoing,
    PingFrame,
    PongFrame,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
)

MAX_CHANNELS = 100  # per socket


class Subscription:
    """Follows channels for one principal, until the peer disconnects or the session ends."""

    def __init__(
        self, connection: LiveConnection, principal: Principal, hub: Hub, filter_message: MessageFilter
    ) -> None:
        self.principal = principal
        self.connection = connection
        self._hub = hub
        self._subscriber = LiveSubscriber(connection.send_text, filter_message)
        self._closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def close(self, closing: CloseConnection) -> None:
        """Make `run` raise this, to close the connection from outside."""
        if not self._closing.done():
            self._closing.set_exception(closing)

    def ping(self) -> None:
        """Send a ping frame, unless a message is being sent, which has the same effect."""
        if not self._subscriber.write_lock.locked():
            self.connection.inbound.ping()

    async def run(self) -> None:
        """Receive and send. Returns when the peer has disconnected; raises CloseConnection if we are to close."""
        jobs = [asyncio.create_task(job) for job in (self._listen(), self._subscriber.run())]
        try:
            done, _ = await asyncio.wait([*jobs, self._closing], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._closing.cancel()
            await asyncio.gather(self._closing, return_exceptions=True)  # else a reason that nobody takes is logged
            await tasks.cancel(*jobs)
            self._unsubscribe(tuple(self._subscriber.channels))
        for job in done:
            job.result()

    async def _listen(self) -> None:
        while True:
            try:
                await self._handle(await self.connection.receive())
            except WebSocketDisconnect:
                return
            except Refusal as refusal:
                async with self._subscriber.write_lock:
                    await self.connection.send_error(refusal)

    async def _handle(self, message: Incoming) -> None:
        match message:
            case PingFrame():
                await self._send(PongFrame(timestamp=message.timestamp))
            case Subscribe():
                await self._subscribe(message)
            case Unsubscribe():
                self._unsubscribe(message.channels)
                await self._send(Unsubscribed(channels=message.channels))
            case Auth():
                raise Conflict("You are already signed in. To sign in as another user, open a new connection.")

    async def _send(self, frame: Outgoing) -> None:
        async with self._subscriber.write_lock:
            await self.connection.send(frame)

    async def _subscribe(self, message: Subscribe) -> None:
        """Follow the channels that exist and are allowed; each other one is answered by an error.

        Replayed messages are sent before new ones, which wait for `write_lock`.
        """
        channels, refused = allowed_channels(self.principal, message.channels)
        if len({*self._subscriber.channels, *channels}) > MAX_CHANNELS:
            raise Invalid.for_field("channels", f"A connection may subscribe to at most {MAX_CHANNELS} channels.")
        async with self._subscriber.write_lock:
            for refusal in refused:
                await self.connection.send_error(refusal)
            if not channels:
                return
            newest = {channel: self._hub.subscribe(channel, self._subscriber) for channel in channels}
            await self.connection.send(Subscribed(channels=channels, seq=newest))
            for channel in channels:
                since = message.since.get(channel, UNSET) if isinstance(message.since, dict) else message.since
                if since is not UNSET:
                    await self._replay(channel, since, newest[channel])

    async def _replay(self, channel: str, since: int, newest: int) -> None:
        if since > newest:  # numbers of another Redis, or of a process that is ahead: the gap is unknown
            await self._subscriber.send_gap(channel, since, newest + 1)
            return
        self._subscriber.follow(channel, since)
        async for message in self._hub.replay(channel, since, newest):
            await self._subscriber.send_message(message)

    def _unsubscribe(self, channels: Iterable[str]) -> None:
        for channel in channels:
            self._hub.unsubscribe(channel, self._subscriber)
