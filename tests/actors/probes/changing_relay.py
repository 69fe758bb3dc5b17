"""A relay that changes a real server's bytes, as a bad line, a proxy or a broken server would."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from app import tasks
from schema.assertions import Operator, Value
from schema.status import Status
from schema.targets import Target
from tests.actors.probes.conftest import Check
from tests.actors.probes.cut_off import leaks_when_cut_off
from tests.actors.probes.scripted_server import datagrams, talking
from tests.searching import MANY, SEARCHING

DIFFERS = [Value(operator=Operator.DIFFERS, expected="x")]  # so that the value is read
PUT = (b"\xff", b"\0", b"\0\0\0\x01", b"")  # in the place of one byte; nothing: it ends there
SPOTS = 12 * (MANY if SEARCHING else 1)  # of one exchange
TIMEOUT_MS, UDP_TIMEOUT_MS = 250, 50  # over UDP what is odd may be another's, and is waited out
UDP_S = 0.5


class Change:
    """What happens to the bytes of each connection. `length` is how many came over one, at most."""

    def __init__(self, at: int = -1, put: bytes = b"") -> None:
        self.at, self.put, self.length = at, put, 0

    def of(self, piece: bytes, passed: int) -> tuple[bytes, bool]:
        """A piece that comes behind so many bytes, changed; and whether it ends here."""
        self.length = max(self.length, passed + len(piece))
        place = self.at - passed
        if not 0 <= place < len(piece):
            return piece, False
        return piece[:place] + (self.put + piece[place + 1 :] if self.put else b""), not self.put


async def survives(check: Check, port: int, target: Callable[[int], Target], *, udp: bool = False) -> None:
    """Holds when no change of a server's bytes, one at a time, is a fault of ours, and no check leaves anything open.

    target    made for a port
    """
    whole = Change()
    async with _changed(port, whole, udp=udp) as way:
        assert (await check(target(way))).status is Status.UP
        leaks = await leaks_when_cut_off(partial(check, target(way)))
    assert not leaks, leaks
    faults = []
    for change in _changes(whole.length):
        async with _changed(port, change, udp=udp) as way:
            outcome = await check(target(way), timeout_ms=UDP_TIMEOUT_MS if udp else TIMEOUT_MS)
        if outcome.status is Status.UNKNOWN:
            faults.append((change.at, change.put, outcome.message))
    assert not faults


def _changes(length: int) -> Iterator[Change]:
    for at in range(0, length, max(1, length // SPOTS)):
        for put in PUT:
            yield Change(at, put)


@asynccontextmanager
async def _changed(port: int, change: Change, *, udp: bool) -> AsyncIterator[int]:
    async with _datagrams(port, change) if udp else _stream(port, change) as way:
        yield way


@asynccontextmanager
async def _stream(port: int, change: Change) -> AsyncIterator[int]:
    scripts = set[asyncio.Task[None] | None]()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        scripts.add(asyncio.current_task())
        there, back = await asyncio.open_connection("127.0.0.1", port)
        forwarding = asyncio.create_task(_pass_on(reader, back))
        passed, ends = 0, False
        try:
            while not ends and (piece := await there.read(65_536)):
                changed, ends = change.of(piece, passed)
                passed += len(piece)
                writer.write(changed)
        finally:
            back.transport.abort()
            await tasks.cancel(forwarding)

    async with talking(script) as way:
        try:
            yield way
        finally:
            await tasks.cancel(*(one for one in scripts if one))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(65_536):
            writer.write(piece)
    writer.close()


@asynccontextmanager
async def _datagrams(port: int, change: Change) -> AsyncIterator[int]:
    def answers(question: bytes) -> list[bytes]:
        with socket.socket(type=socket.SOCK_DGRAM) as line:
            line.settimeout(UDP_S)
            line.connect(("127.0.0.1", port))
            line.send(question)
            return [change.of(line.recv(65_536), 0)[0]]

    async with datagrams(answers) as way:
        yield way
