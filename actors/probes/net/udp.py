"""Questions over UDP: to one address that the policy allows, and nobody else is heard."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import cast

from actors.probes.kit.context import RunningCheck

MAX_QUEUED = 16  # datagrams that nobody has read yet; a flood is dropped beyond
MAX_ATTEMPTS = 3  # of one question: a lost packet is the network's habit
TIMEOUT_SHARE = 0.9  # of the timeout


class UdpConnection(asyncio.DatagramProtocol):
    """A connected UDP socket."""

    def __init__(self) -> None:
        self._received: asyncio.Queue[bytes | Exception] = asyncio.Queue(MAX_QUEUED)
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop's call."""
        self._transport = cast("asyncio.DatagramTransport", transport)  # the loop's own class is no subclass of it

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002  # the loop's call
        """The loop's call; the socket is connected, so it is the one we asked."""
        with contextlib.suppress(asyncio.QueueFull):
            self._received.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        """The loop's call: what ICMP said of what we sent."""
        with contextlib.suppress(asyncio.QueueFull):
            self._received.put_nowait(exc)

    def send(self, data: bytes) -> None:
        """Send one datagram."""
        assert self._transport
        self._transport.sendto(data)

    async def receive(self) -> bytes:
        """The next datagram. Raises OSError where the network says no."""
        received = await self._received.get()
        if isinstance(received, Exception):
            raise received
        return received


@contextlib.asynccontextmanager
async def open_udp(check: RunningCheck, host: str, port: int) -> AsyncIterator[UdpConnection]:
    """A line to the address that the system prefers; raises as `Egress.addresses`, and OSError."""
    address = (await check.context.egress.addresses(host))[0]
    transport, connection = await asyncio.get_running_loop().create_datagram_endpoint(
        UdpConnection, remote_addr=(address, port)
    )
    try:
        yield connection
    finally:
        transport.close()


def attempt_timeout_s(check: RunningCheck) -> float:
    """Seconds that one of several tries may take."""
    return check.snapshot.timeout_ms / 1000 * TIMEOUT_SHARE / MAX_ATTEMPTS
