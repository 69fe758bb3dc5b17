"""MQTT inside of a WebSocket (MQTT 3.1.1, 6): where its bytes are cut into messages means nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import ClientWebSocketResponse, WSMsgType

from actors.probes.http.session import Wishes, opened
from actors.probes.kit.context import Asked
from actors.probes.kit.result import Failed
from actors.probes.protocols.mqtt import NOT_MQTT, PACKET_BYTES
from actors.probes.types import websocket
from schema.targets import Mqtt

SUBPROTOCOL = "mqtt"
MESSAGE_BYTES = PACKET_BYTES + 16_384  # of one message: the longest packet, and what else came with it
MESSAGES = 100_000  # of one conversation; each brings a byte at least, or is a ping
AT_ONCE = 100  # messages that are looked at before others have their turn


class Frames:
    """What comes in binary messages, as one stream; and what is sent, each in one."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket
        self._came, self._messages = bytearray(), 0

    async def readexactly(self, size: int) -> bytes:
        """The next bytes. Raises IncompleteReadError at the end, Failed for what is no MQTT."""
        while len(self._came) < size:
            self._came += await self._message()
        found = bytes(self._came[:size])
        del self._came[:size]
        return found

    async def send(self, packet: bytes) -> None:
        """One packet."""
        await self.socket.send_bytes(packet)

    async def _message(self) -> bytes:
        self._messages += 1
        if self._messages > MESSAGES:
            raise Failed("the broker sends messages that have nothing in them")
        if self._messages % AT_ONCE == 0:
            await asyncio.sleep(0)
        message = await self.socket.receive()
        match message.type:
            case WSMsgType.BINARY:
                return bytes(message.data)
            case WSMsgType.PING | WSMsgType.PONG:
                await websocket.keep_open(message, self.socket)
                return b""
            case WSMsgType.TEXT:
                raise Failed(f"{NOT_MQTT}: it comes in text messages")
        raise asyncio.IncompleteReadError(bytes(self._came), None)


@asynccontextmanager
async def frames(target: Mqtt, asked: Asked) -> AsyncIterator[Frames]:
    """A WebSocket whose server speaks MQTT, until the block ends. Raises Failed, Unsure."""
    wishes = Wishes(
        ignore_tls_errors=target.ignore_tls_errors,
        tls_cert=target.client_cert,
        tls_key=target.client_key,
        tls_ca=target.ca_cert,
        between=(websocket.no_redirect,),
    )
    with websocket.telling():
        async with opened(wishes, asked) as way:
            socket = await websocket.connected(way, _address(target), {}, SUBPROTOCOL, MESSAGE_BYTES)
            try:
                yield Frames(socket)
            except aiohttp.ClientConnectionResetError as error:
                raise Failed("the broker closed the connection") from error
            finally:
                await websocket.leave(socket)


def _address(target: Mqtt) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    return f"{'wss' if target.tls else 'ws'}://{host}:{target.port}{target.websocket_path}"
