"""A WebSocket to the application on this very event loop: one conversation, message by message."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar

from tests.app.api.running_app import Headers

TIMEOUT_S = 20.0


class SocketConnection:
    """The messages received, and methods to send some."""

    def __init__(self) -> None:
        self._in: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.out: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._in.put_nowait({"type": "websocket.connect"})

    async def receive(self) -> dict[str, Any]:
        return await self._in.get()

    async def send(self, event: dict[str, Any]) -> None:
        self.out.put_nowait(event)

    def send_message(self, **message: Any) -> None:
        self._in.put_nowait({"type": "websocket.receive", "text": json.dumps(message), "bytes": None})

    def disconnect(self) -> None:
        self._in.put_nowait({"type": "websocket.disconnect", "code": 1000})

    async def event(self) -> dict[str, Any]:
        """The next event: accept, a message, or the close."""
        async with asyncio.timeout(TIMEOUT_S):
            return await self.out.get()

    async def message(self) -> dict[str, Any]:
        """The next message; the close as `{"closed": code}`."""
        event = await self.event()
        if event["type"] == "websocket.accept":
            event = await self.event()
        if event["type"] == "websocket.close":
            return {"closed": event["code"]}
        message: dict[str, Any] = json.loads(event["text"])
        return message


@asynccontextmanager
async def connect_socket(app: Litestar, headers: Headers, path: str = "/api/v1/ws") -> AsyncIterator[SocketConnection]:
    """A connection with these headers; it has left at the end."""
    socket = SocketConnection()
    raw = [(name.lower().encode(), value.encode()) for name, value in {"Host": "watchkeeper.test", **headers}.items()]
    scope: dict[str, Any] = {
        "type": "websocket", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "scheme": "ws", "headers": raw, "client": ("127.0.0.1", 1), "server": ("watchkeeper.test", 80),
        "subprotocols": [], "asgi": {"version": "3.0"}, "http_version": "1.1", "state": {}, "extensions": {},
    }  # fmt: skip
    connection = asyncio.create_task(app(scope, socket.receive, socket.send))  # type: ignore[arg-type]  # plain dicts
    try:
        yield socket
    finally:
        socket.disconnect()
        async with asyncio.timeout(TIMEOUT_S):
            await connection
