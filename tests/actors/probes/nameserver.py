"""A real name server on loopback, with one zone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import cast

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset

ZONE = (
    "a.test. 60 IN A 192.0.2.1",
    "a.test. 60 IN A 192.0.2.2",
    "a.test. 60 IN AAAA 2001:db8::1",
    "a.test. 60 IN MX 10 Mail.test.",
    "a.test. 60 IN NS ns.test.",
    'a.test. 60 IN CAA 0 issue "letsencrypt.org"',
    'a.test. 60 IN TXT "v=spf1 " "-all"',
    "a.test. 60 IN SOA ns.test. admin.test. 1 2 3 4 5",
    "_sip._tcp.test. 60 IN SRV 1 5 5060 sip.test.",
    "1.2.0.192.in-addr.arpa. 60 IN PTR a.test.",
    "c.test. 60 IN CNAME a.test.",
    "here.test. 60 IN A 127.0.0.1",
    "metadata.test. 60 IN A 169.254.169.254",
)


def answer(query: dns.message.Message) -> dns.message.Message:
    """The response of the zone; NXDOMAIN for names that are not in it."""
    reply = dns.message.make_response(query, recursion_available=True)
    question = query.question[0]
    named = [line.split(maxsplit=4) for line in ZONE if dns.name.from_text(line.split()[0]) == question.name]
    kind = question.rdtype.name
    for name, ttl, _, type_, data in named:
        if type_ == kind:
            found = dns.rrset.from_text(name, int(ttl), "IN", type_, data)
            reply.find_rrset(reply.answer, found.name, found.rdclass, found.rdtype, create=True).update(found)
    if not named:
        reply.set_rcode(dns.rcode.NXDOMAIN)
    return reply


def saying(rcode: dns.rcode.Rcode) -> Callable[[dns.message.Message], dns.message.Message]:
    """A server with the same response for every query."""

    def refuse(query: dns.message.Message) -> dns.message.Message:
        reply = dns.message.make_response(query)
        reply.set_rcode(rcode)
        return reply

    return refuse


def holding(*addresses: str, flags: int = 0) -> Callable[[dns.message.Message], dns.message.Message]:
    """A server whose every name has these addresses."""

    def respond(query: dns.message.Message) -> dns.message.Message:
        reply = dns.message.make_response(query)
        reply.flags |= flags
        reply.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", *addresses))
        return reply

    return respond


class _Server(asyncio.DatagramProtocol):
    def __init__(self, handler: Callable[[dns.message.Message], dns.message.Message]) -> None:
        self._handler = handler

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # uvloop's has its methods, not its class

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self._transport.sendto(self._handler(dns.message.from_wire(data)).to_wire(), address)


@contextlib.asynccontextmanager
async def naming(
    handler: Callable[[dns.message.Message], dns.message.Message] = answer, address: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[int]:
    """The port of a server that answers with `handler`."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Server(handler), (address, port))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()
        await asyncio.sleep(0)
