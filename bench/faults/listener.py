"""A WebSocket client as a browser would be: it receives heartbeats and reconnects when it is disconnected."""

import asyncio
from types import TracebackType
from typing import Self

import aiohttp

from bench.installation import Installation

AGAIN_S = 0.5
SUBSCRIBE = {"type": "subscribe", "channels": ["heartbeats"]}


class Listener:
    """Counts frames and connections."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._task: asyncio.Task[None] | None = None
        self.frames, self.connections = 0, 0
        self._received = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._listen(), name="listener")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _listen(self) -> None:
        while True:
            try:
                await self._once()
            except (aiohttp.ClientError, TimeoutError, OSError):
                await asyncio.sleep(AGAIN_S)

    async def _once(self) -> None:
        headers = {"Authorization": f"Bearer {self._installation.token}"}
        async with self._installation.session.ws_connect(
            self._installation.url("/ws"), headers=headers, heartbeat=5
        ) as socket:
            self.connections += 1
            await socket.send_json(SUBSCRIBE)
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT and '"heartbeats"' in message.data[:200]:
                    self.frames += 1
                    self._received.set()
        await asyncio.sleep(AGAIN_S)

    async def receives(self, within_s: float) -> bool:
        """Whether a frame comes before `within_s` have passed."""
        self._received.clear()
        try:
            await asyncio.wait_for(self._received.wait(), within_s)
        except TimeoutError:
            return False
        return True
