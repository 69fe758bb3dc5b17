"""MQTT inside of a WebSocket (MQTT 3.1.1, 6): message boundaries have no meaning."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import ClientWebSocketResponse, WSMsgType

from actors.probes.http import websocket_client
from actors.probes.http.session import ConnectionOptions, open_session
from actors.probes.kit.context import RunningCheck
from actors.probes.kit.result import TargetFailed
from actors.probes.protocols.mqtt import MAX_PACKET_BYTES, NOT_MQTT
from schema.targets import Mqtt

SUBPROTOCOL = "mqtt"
MAX_MESSAGE_BYTES = MAX_PACKET_BYTES + 16_384  # of one message: the longest packet, and what else came with it
MAX_MESSAGES = 100_000  # of one session; each brings at least a byte, or is a ping
YIELD_EVERY = 100  # messages before other tasks get a turn


class WebSocketByteStream:
    """The payloads of binary messages as one stream; each packet is sent in one message."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket
        self._buffer, self._n_messages = bytearray(), 0

    async def readexactly(self, size: int) -> bytes:
        """The next bytes. Raises IncompleteReadError at the end, TargetFailed for anything but MQTT."""
        while len(self._buffer) < size:
            self._buffer += await self._read_message()
        packet_bytes = bytes(self._buffer[:size])
        del self._buffer[:size]
        return packet_bytes

    async def send(self, packet: bytes) -> None:
        """Send one packet."""
        await self.socket.send_bytes(packet)

    async def _read_message(self) -> bytes:
        self._n_messages += 1
        if self._n_messages > MAX_MESSAGES:
            raise TargetFailed("the broker sends messages that have nothing in them")
        if self._n_messages % YIELD_EVERY == 0:
            await asyncio.sleep(0)
        message = await self.socket.receive()
        match message.type:
            case WSMsgType.BINARY:
                return bytes(message.data)
            case WSMsgType.PING | WSMsgType.PONG:
                await websocket_client.answer_ping(message, self.socket)
                return b""
            case WSMsgType.TEXT:
                raise TargetFailed(f"{NOT_MQTT}: it comes in text messages")
        raise asyncio.IncompleteReadError(bytes(self._buffer), None)


@asynccontextmanager
async def open_stream(target: Mqtt, check: RunningCheck) -> AsyncIterator[WebSocketByteStream]:
    """An open WebSocket to an MQTT broker. Raises TargetFailed, CheckInconclusive."""
    options = ConnectionOptions(
        ignore_tls_errors=target.ignore_tls_errors,
        tls_cert=target.client_cert,
        tls_key=target.client_key,
        tls_ca=target.ca_cert,
        middlewares=(websocket_client.reject_redirect,),
    )
    with websocket_client.translating_errors():
        async with open_session(options, check) as session:
            socket = await websocket_client.connect(session, _url(target), {}, SUBPROTOCOL, MAX_MESSAGE_BYTES)
            try:
                yield WebSocketByteStream(socket)
            except aiohttp.ClientConnectionResetError as error:
                raise TargetFailed("the broker closed the connection") from error
            finally:
                await websocket_client.close(socket)


def _url(target: Mqtt) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    return f"{'wss' if target.tls else 'ws'}://{host}:{target.port}{target.websocket_path}"
