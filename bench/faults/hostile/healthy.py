"""Servers that always answer at once and record each monitor's requests: hostile servers must not delay these.

GET /t/<n>     what the HTTP monitor n asks for
GET /ports     number of a monitor that is served on a port of its own → that port, as JSON
GET /log       who came and when (`bench.target.Log`)
GET /reset     forgets that
"""

import asyncio
import time
from typing import cast

import dns.message
import dns.rrset
import msgspec
import uvloop

from bench import wire
from bench.target import PASS, Target

HTTP, TCP, REDIS, DNS, PUSH = range(100), range(100, 150), range(150, 165), range(165, 180), range(180, 200)
ADDRESS = "192.0.2.1"
HOST = "127.0.0.1"
PONG = b"+PONG\r\n"


def name_of(number: int) -> str:
    """The name that DNS monitor `number` queries."""
    return f"n{number}.watch.example"


class Arrivals:
    """Who came and when, kept as the target of other runs keeps it."""

    def __init__(self) -> None:
        self.target = Target()

    def note(self, number: int) -> None:
        """Monitor `number` came."""
        self.target.numbers.append(number)
        self.target.at_ms.append(time.time() * 1000)
        self.target.answers.append(PASS)


class Port(asyncio.Protocol):
    """A TCP port of one monitor.

    reply    sent for whatever comes; empty: nothing is sent
    """

    def __init__(self, arrivals: Arrivals, number: int, reply: bytes) -> None:
        self._arrivals, self._number, self._reply = arrivals, number, reply

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop's call."""
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's has its methods, not its class
        self._arrivals.note(self._number)

    def data_received(self, data: bytes) -> None:
        """The loop's call."""
        del data
        self._transport.write(self._reply)


class Zone(asyncio.DatagramProtocol):
    """A name server that knows an address for every name, and the monitor by its name."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop's call."""
        self._transport = cast("asyncio.DatagramTransport", transport)  # uvloop's is one, and no subclass

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """The loop's call."""
        query = dns.message.from_wire(data)
        reply = dns.message.make_response(query, recursion_available=True)
        name = query.question[0].name
        reply.answer.append(dns.rrset.from_text(name, 60, "IN", "A", ADDRESS))
        self._arrivals.note(int(name.labels[0][1:]))
        self._transport.sendto(reply.to_wire(), addr)


async def serve() -> None:
    """Serve all of them until terminated."""
    arrivals, loop = Arrivals(), asyncio.get_running_loop()
    ports: dict[int, int] = {}
    servers = []
    for numbers, reply in ((TCP, b""), (REDIS, PONG)):
        for number in numbers:
            server = await loop.create_server(lambda n=number, r=reply: Port(arrivals, n, r), HOST, 0)  # type: ignore[misc]  # bound now
            servers.append(server)
            ports[number] = server.sockets[0].getsockname()[1]
    zone, _ = await loop.create_datagram_endpoint(lambda: Zone(arrivals), local_addr=(HOST, 0))
    ports |= dict.fromkeys(DNS, zone.get_extra_info("sockname")[1])

    def control(asker: wire.Wire, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET /ports"):
            asker.send(wire.reply(msgspec.json.encode(ports)))
        else:
            arrivals.target.serve(asker, head, body)

    await wire.serve(control)


if __name__ == "__main__":
    uvloop.run(serve())
