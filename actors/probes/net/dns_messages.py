"""DNS messages: parsed within limits, off the event loop, and queried over plain UDP and TCP.

dnspython takes up to five milliseconds for one record of 20 bytes, and the zone's owner chooses the records: the 64 kB
of one message would block a worker for half a minute.
"""

import asyncio
import struct
from typing import Any

from dns.asyncresolver import Resolver
from dns.exception import DNSException, Timeout
from dns.flags import QR
from dns.message import Message, Truncated, from_wire
from dns.nameserver import AddressAndPortNameserver

from actors.probes.kit.result import CheckInconclusive, TargetFailed
from actors.probes.kit.threads import run_in_thread
from actors.probes.net.udp import UdpConnection
from app.security.network.egress import EgressDenied

MAX_RECORDS = 256  # of one response, in all its sections
INLINE_BYTES = 512  # parsed on the event loop: the size of DNS before EDNS
_COUNTS = struct.Struct("!4H")
COUNTS_OFFSET = 4  # in the header: questions, then records of three sections


class FinalDnsError(OSError):  # an OSError makes dnspython not ask this server again
    """A final failure; `reason` is what the probe raises."""

    def __init__(self, reason: TargetFailed | CheckInconclusive | EgressDenied) -> None:
        super().__init__(str(reason))
        self.reason = reason


async def parse_message(wire: bytes, **options: Any) -> Message:
    """Parse a message, ignoring trailing bytes. Raises dnspython's DNSException, FinalDnsError for too many records."""
    options["ignore_trailing"] = True
    if len(wire) >= COUNTS_OFFSET + _COUNTS.size and sum(_COUNTS.unpack_from(wire, COUNTS_OFFSET)[1:]) > MAX_RECORDS:
        raise FinalDnsError(TargetFailed(f"the name server's answer has more than {MAX_RECORDS} records"))
    if len(wire) <= INLINE_BYTES:
        return from_wire(wire, **options)
    return await run_in_thread(from_wire, wire, **options)


def is_response_to(response: Message, request: Message) -> bool:
    """Whether the message answers the request: a server may leave the question out."""
    if not response.question and response.flags & QR:
        response.question = request.question
    return request.is_response(response)


class PlainNameserver(AddressAndPortNameserver):
    """DNS over UDP, and over TCP what does not fit into a datagram."""

    def kind(self) -> str:
        """Called by the library."""
        return "Do53"

    async def async_query(
        self,
        request: Message,
        timeout: float,  # noqa: ASYNC109  # the library's signature
        source: str | None,  # noqa: ARG002  # the library's signature
        source_port: int,  # noqa: ARG002  # the library's signature
        max_size: bool,  # noqa: FBT001  # the library's signature
        *_: Any,
        **__: Any,
    ) -> Message:
        """Called by the library. Raises Truncated for a response that did not fit."""
        try:
            async with asyncio.timeout(timeout):
                return await (self._query_tcp(request) if max_size else self._query_udp(request))
        except TimeoutError as error:
            if error.errno:
                raise
            raise Timeout from error

    async def _query_tcp(self, request: Message) -> Message:
        reader, writer = await asyncio.open_connection(self.address, self.port)
        try:
            response = await parse_message(await exchange(reader, writer, request.to_wire()))
        finally:
            writer.transport.abort()
        if not is_response_to(response, request):
            raise FinalDnsError(TargetFailed("the name server answered something else"))
        return response

    async def _query_udp(self, request: Message) -> Message:
        """The first datagram that answers the request; others are ignored."""
        loop = asyncio.get_running_loop()
        transport, connection = await loop.create_datagram_endpoint(
            UdpConnection, remote_addr=(self.address, self.port)
        )
        try:
            connection.send(request.to_wire())
            while True:
                if response := await _receive_response(request, connection):
                    return response
        finally:
            transport.close()


async def _receive_response(request: Message, connection: UdpConnection) -> Message | None:
    """The next datagram, if it answers. A port that is closed for now is asked again, like after a lost packet."""
    try:
        wire = await connection.receive()
    except OSError:
        return None
    if wire[:2] != request.id.to_bytes(2, "big"):
        return None
    try:
        response = await parse_message(wire, raise_on_truncation=True)
    except Truncated as truncated:
        if is_response_to(truncated.message(), request):  # type: ignore[no-untyped-call]  # the library has no types here
            raise
        return None
    except DNSException:
        return None
    return response if is_response_to(response, request) else None


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wire: bytes) -> bytes:
    """One query and its response on a stream: each message has its length in front, in two bytes."""
    writer.write(len(wire).to_bytes(2, "big") + wire)
    return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))


def with_bounded_servers(resolver: Resolver) -> Resolver:
    """The same resolver with our own nameservers: dnspython would parse their responses on the event loop."""
    resolver.nameservers = [
        PlainNameserver(one, resolver.nameserver_ports.get(one, resolver.port)) if isinstance(one, str) else one
        for one in resolver.nameservers
    ]
    return resolver
