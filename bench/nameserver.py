"""A name server that returns one address for every name, so that a check measures only the network path."""

import asyncio
from typing import cast

import dns.message
import dns.rdatatype
import dns.rrset
import uvloop

from bench import wire

ADDRESS = "192.0.2.1"


class Names(asyncio.DatagramProtocol):
    """Answers each question for an A record; to any other there is nothing."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast("asyncio.DatagramTransport", transport)  # uvloop's is one, and no subclass

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one question."""
        query = dns.message.from_wire(data)
        reply = dns.message.make_response(query, recursion_available=True)
        question = query.question[0]
        if question.rdtype == dns.rdatatype.A:
            reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", "A", ADDRESS))
        self._transport.sendto(reply.to_wire(), addr)


async def serve() -> None:
    """Listen on loopback until terminated."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Names, local_addr=("127.0.0.1", 0))
    await wire.stay(transport.get_extra_info("sockname")[1])
    transport.close()


if __name__ == "__main__":
    uvloop.run(serve())
