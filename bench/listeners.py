"""A thousand WebSocket clients in one process, each as cheap as possible.

python -m bench.listeners <port> <token> <clients>

Prints `ready` when all follow `heartbeats`; at the end of its input, one line of JSON: what arrived. One client more
subscribes and never reads.
"""

import asyncio
import sys
import time
from array import array
from typing import cast

import msgspec
import uvloop

from bench.figure import percentile

HANDSHAKE = (
    "GET /api/v1/ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {token}\r\n\r\n"
)
HEAD_END, FIRST_ID, MONITOR_ID = b"\r\n\r\n", b'"data":[{"id":"', b'"monitor_id":'
AT_ONCE = 50  # connections opened together
READY_S = 60.0


class Report(msgspec.Struct, frozen=True):
    """What all clients together received.

    p50_ms … max_ms    publish to arrival, of the oldest heartbeat in each message, over all messages of all clients
    """

    p50_ms: float
    p99_ms: float
    max_ms: float
    messages: int
    beats: int
    gaps: int


def frame(text: bytes) -> bytes:
    """A short text as a client's frame, masked with zeros (RFC 6455 §5.2)."""
    assert len(text) < 126
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text


def payload_at(data: bytes | bytearray) -> tuple[int, int]:
    """(begin, end) of the first frame's payload; (0, 0) while its head is not whole."""
    if len(data) < 10 and len(data) < 2 + {126: 2, 127: 8}.get(data[1] if len(data) > 1 else 127, 0):
        return 0, 0
    extra = {126: 2, 127: 8}.get(data[1], 0)
    length = int.from_bytes(data[2 : 2 + extra], "big") if extra else data[1]
    return 2 + extra, 2 + extra + length


class Listener(asyncio.Protocol):
    """One client."""

    def __init__(self, handshake: bytes, delays_ms: "array[float]", *, reads: bool = True) -> None:
        self.subscribed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.messages = self.beats = self.gaps = 0
        self._handshake, self._delays_ms, self._reads = handshake, delays_ms, reads
        self._data, self._is_open = bytearray(), False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the WebSocket."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has its methods, not its class
        self._transport.write(self._handshake)

    def connection_lost(self, _: Exception | None) -> None:
        """Too early is a failure of the measurement."""
        if not self.subscribed.done():
            self.subscribed.set_exception(RuntimeError(f"refused: {bytes(self._data[:200])!r}"))

    def data_received(self, data: bytes) -> None:
        """Take whole frames."""
        self._data += data
        if not self._is_open:
            self._open()
        while self._is_open and self._data:
            begin, end = payload_at(self._data)
            if not end or len(self._data) < end:
                return
            self._take(bytes(self._data[begin:end]))
            del self._data[:end]

    def _open(self) -> None:
        end = self._data.find(HEAD_END)
        if end < 0 or self._transport is None or not self._data.startswith(b"HTTP/1.1 101"):
            return
        del self._data[: end + len(HEAD_END)]
        self._is_open = True
        self._transport.write(frame(b'{"type":"subscribe","channels":["heartbeats"]}'))

    def _take(self, text: bytes) -> None:
        if text.startswith(b'{"type":"heartbeats"'):
            begin = text.index(FIRST_ID) + len(FIRST_ID)
            self._delays_ms.append((time.time_ns() - int(text[begin : text.index(b'"', begin)])) / 1e6)
            self.messages += 1
            self.beats += text.count(MONITOR_ID)
        elif text.startswith(b'{"type":"subscribed"'):
            self._follow()
        else:
            self.gaps += text.startswith(b'{"type":"gap"')

    def _follow(self) -> None:
        self.subscribed.set_result(None)
        if not self._reads and self._transport is not None:
            self._transport.pause_reading()


async def listening(port: int, token: str, clients: int) -> Report:
    """Connect every client, print a line, and count until the input ends."""
    handshake, delays_ms = HANDSHAKE.format(port=port, token=token).encode(), array("d")
    listeners = [Listener(handshake, delays_ms) for _ in range(clients)]
    deaf = Listener(handshake, array("d"), reads=False)
    everybody = [*listeners, deaf]
    for begin in range(0, len(everybody), AT_ONCE):
        group = everybody[begin : begin + AT_ONCE]
        await asyncio.gather(*(_connected(port, one) for one in group))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    ordered = sorted(delays_ms)
    return Report(
        p50_ms=percentile(ordered, 0.5),
        p99_ms=percentile(ordered, 0.99),
        max_ms=percentile(ordered, 1),
        messages=sum(one.messages for one in listeners),
        beats=sum(one.beats for one in listeners),
        gaps=sum(one.gaps for one in listeners),
    )


async def _connected(port: int, listener: Listener) -> None:
    await asyncio.get_running_loop().create_connection(lambda: listener, "127.0.0.1", port)
    await asyncio.wait_for(listener.subscribed, READY_S)


if __name__ == "__main__":
    report = uvloop.run(listening(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
    print(msgspec.json.encode(report).decode(), flush=True)
