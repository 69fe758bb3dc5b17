"""A WebSocket client as a browser would be: it receives heartbeats and reconnects when it is disconnected."""

import asyncio

import aiohttp

from bench.faults.background import Companion
from bench.installation import Installation

AGAIN_S = 0.5
SUBSCRIBE = {"type": "subscribe", "channels": ["heartbeats"]}


class Listener(Companion):
    """Counts frames and connections."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self.frames, self.connections = 0, 0
        self._received = asyncio.Event()

    async def _run(self) -> None:
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
