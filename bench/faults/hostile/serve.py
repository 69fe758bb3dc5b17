"""Serves every kind on a port of its own, until it is terminated.

GET /ports    kind's number → its port, as JSON
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec

from bench import wire
from bench.faults.hostile.encrypted import CONTEXTS
from bench.faults.hostile.kinds import KINDS
from bench.faults.hostile.scripts import Answers, Kind, Script

LIFE_S = 60.0  # of one connection, whatever it does
HOST = "127.0.0.1"


class Datagrams(asyncio.DatagramProtocol):
    """Answers datagrams."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop's call."""
        self._transport = transport  # type: ignore[assignment]  # a datagram transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """The loop's call."""
        assert self._transport
        for one in self._answers(data):
            self._transport.sendto(one, addr)


@asynccontextmanager
async def serving(kind: Kind) -> AsyncIterator[int]:
    """A server, for as long as the block lasts; yields its port."""
    loop = asyncio.get_running_loop()
    if kind.answers:
        answers = kind.answers
        transport, _ = await loop.create_datagram_endpoint(lambda: Datagrams(answers), local_addr=(HOST, 0))
        try:
            yield int(transport.get_extra_info("sockname")[1])
        finally:
            transport.close()
            await asyncio.sleep(0)
        return
    assert kind.script
    tls, open_ones = CONTEXTS[kind.tls]() if kind.tls else None, set[asyncio.StreamWriter]()
    server = await asyncio.start_server(_bounded(kind.script, open_ones), HOST, 0, ssl=tls, backlog=1_024)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for writer in open_ones:
            writer.transport.abort()
        await asyncio.sleep(0)


def _bounded(script: Script, open_ones: set[asyncio.StreamWriter]) -> Script:
    """The same, for as long as a connection may live, and whatever the other side does."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.add(writer)
        with contextlib.suppress(OSError, EOFError, ssl.SSLError, TimeoutError, ValueError):
            async with asyncio.timeout(LIFE_S):
                await script(reader, writer)
        open_ones.discard(writer)
        writer.close()

    return serve


async def main() -> None:
    """Serve every kind, and the list of their ports."""
    async with AsyncExitStack() as servers:
        ports = [await servers.enter_async_context(serving(kind)) for kind in KINDS]
        found = wire.reply(msgspec.json.encode(ports))

        def control(asker: wire.Wire, head: bytes, body: bytes) -> None:
            del head, body
            asker.send(found)

        await wire.serve(control)


if __name__ == "__main__":
    asyncio.run(main())
