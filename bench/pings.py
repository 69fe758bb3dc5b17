"""Load for push monitors: keep-alive connections that each send the next ping when the last one was answered.

python -m bench.pings <port> <path> <numbers> <connections> <seconds> [<header>]

The path's # is replaced by a number; the header is sent with every request.

Prints answers per second, then how many were not 200.
"""

import asyncio
import sys
import time
from itertools import count
from typing import cast

import uvloop

from bench import wire


class Tally:
    """What all connections share: the next number, the answers, the clock."""

    def __init__(self, path: str, numbers: int, ends_at: float, header: str = "") -> None:
        more = f"{header}\r\n" if header else ""
        self.requests = [
            f"GET {path.replace('#', f'{n:05}')} HTTP/1.1\r\nHost: 127.0.0.1\r\n{more}\r\n".encode()
            for n in range(numbers)
        ]
        self.next = count()
        self.ends_at = ends_at
        self.answers = 0
        self.bad = 0


class Pinging(asyncio.Protocol):
    """One connection."""

    def __init__(self, tally: Tally, done: asyncio.Future[None]) -> None:
        self._tally, self._done, self._data = tally, done, b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's has its methods, not its class
        self._ping()

    def data_received(self, data: bytes) -> None:
        """Count a whole response and send the next request."""
        self._data += data
        end = self._data.find(wire.END)
        if end < 0 or len(self._data) < end + len(wire.END) + wire.length_of(self._data[:end]):
            return
        self._tally.answers += 1
        self._tally.bad += not self._data.startswith(b"HTTP/1.1 200")
        self._data = b""
        self._ping()

    def _ping(self) -> None:
        assert self._transport is not None
        if time.perf_counter() < self._tally.ends_at:
            self._transport.write(self._tally.requests[next(self._tally.next) % len(self._tally.requests)])
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Over; an end before its time counts as one bad answer."""
        self._tally.bad += exc is not None or time.perf_counter() < self._tally.ends_at
        if not self._done.done():
            self._done.set_result(None)


async def ping(
    port: int, path: str, numbers: int, connections: int, seconds: float, header: str = ""
) -> tuple[float, int]:
    """Answers per second, and how many were bad."""
    loop = asyncio.get_running_loop()
    tally = Tally(path, numbers, time.perf_counter() + seconds, header)
    ends = [loop.create_future() for _ in range(connections)]
    for done in ends:
        await loop.create_connection(lambda done=done: Pinging(tally, done), "127.0.0.1", port)  # type: ignore[misc]  # a default binds the loop's variable
    await asyncio.wait(ends, timeout=seconds + 10)
    return tally.answers / seconds, tally.bad


if __name__ == "__main__":
    words = sys.argv[1:]
    print(*uvloop.run(ping(int(words[0]), words[1], int(words[2]), int(words[3]), float(words[4]), *words[5:])))
