"""A WebSocket to the application on this very event loop, without a server between."""

import asyncio
from typing import Any

import msgspec
from litestar import Litestar

SCOPE: dict[str, Any] = {
    "type": "websocket",
    "asgi": {"version": "3.0", "spec_version": "2.3"},
    "http_version": "1.1",
    "scheme": "ws",
    "path": "/api/v1/ws",
    "raw_path": b"/api/v1/ws",
    "root_path": "",
    "query_string": b"",
    "client": ("127.0.0.1", 9),
    "server": ("watchkeeper.test", 80),
    "subprotocols": [],
    "extensions": {},
}


class LoopSocket:
    """One connection: sends and receives JSON."""

    def __init__(self, app: Litestar, headers: dict[str, str]) -> None:
        self._sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._sent.put_nowait({"type": "websocket.connect"})
        raw_headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        scope: Any = {**SCOPE, "headers": raw_headers, "state": {}, "app": app}
        self._call = asyncio.create_task(app(scope, self._sent.get, self._receive))  # type: ignore[arg-type]  # plain dicts

    async def _receive(self, message: Any) -> None:
        await self._received.put(message)

    async def ask(self, **message: Any) -> Any:
        """Send a message; returns the next one received."""
        text = msgspec.json.encode(message).decode()
        await self._sent.put({"type": "websocket.receive", "text": text, "bytes": None})
        return await self.receive()

    async def receive(self) -> Any:
        """The next message, decoded; the close itself when it is one."""
        async with asyncio.timeout(10):
            message = await self._received.get()
            while message["type"] == "websocket.accept":
                message = await self._received.get()
        return msgspec.json.decode(message["text"]) if "text" in message else message

    async def hang_up(self) -> None:
        """Leave."""
        await self._sent.put({"type": "websocket.disconnect", "code": 1000})
        await self._call
