"""Requests over UDP to one address that the egress policy allows; datagrams from elsewhere are ignored."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import cast

from actors.probes.kit.context import RunningCheck

MAX_QUEUED = 16  # unread datagrams; more are dropped
MAX_ATTEMPTS = 3  # of one request: networks lose packets
TIMEOUT_SHARE = 0.9  # of the timeout, for all attempts


class UdpConnection(asyncio.DatagramProtocol):
    """A connected UDP socket."""

    def __init__(self) -> None:
        self._received: asyncio.Queue[bytes | Exception] = asyncio.Queue(MAX_QUEUED)
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.DatagramTransport", transport)  # the loop's class is not a subclass

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002  # the loop's signature
        """Called by the loop; the socket is connected, so the datagram is from our peer."""
        with contextlib.suppress(asyncio.QueueFull):
            self._received.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        """Called by the loop for an ICMP error."""
        with contextlib.suppress(asyncio.QueueFull):
            self._received.put_nowait(exc)

    def send(self, data: bytes) -> None:
        """Send one datagram."""
        assert self._transport
        self._transport.sendto(data)

    async def receive(self) -> bytes:
        """The next datagram. Raises OSError for a network error."""
        received = await self._received.get()
        if isinstance(received, Exception):
            raise received
        return received


@contextlib.asynccontextmanager
async def open_udp(check: RunningCheck, host: str, port: int) -> AsyncIterator[UdpConnection]:
    """A connection to the address that the system prefers; raises as `Egress.addresses`, and OSError."""
    address = (await check.context.egress.addresses(host))[0]
    transport, connection = await asyncio.get_running_loop().create_datagram_endpoint(
        UdpConnection, remote_addr=(address, port)
    )
    try:
        yield connection
    finally:
        transport.close()


def attempt_timeout_s(check: RunningCheck) -> float:
    """Seconds for one of several attempts."""
    return check.snapshot.timeout_ms / 1000 * TIMEOUT_SHARE / MAX_ATTEMPTS
