"""Limits the inbound bytes of a WebSocket and sends pings, on a duplicate of its connection's descriptor.

The server assembles frames and messages of up to 64 MB before we see any of them, and has no setting for it. But the
kernel counts the bytes received on a connection. If more bytes came since the last complete message than a message may
have, the connection is reset. A small receive buffer limits what a peer can send between two checks.
"""

import asyncio
import ctypes
import fcntl
import os
import socket
import struct
import termios
from contextlib import suppress
from pathlib import Path
from time import monotonic

import structlog

from app.security.limits.rejections import REJECTED

ALLOWED_BYTES = 262_144  # since the last message: several times a message's limit, plus what the server reads ahead
PING_BYTES_PER_S = 100  # in addition: ping frames do not reach us as messages
CHECK_INTERVAL_S = 0.05
RECEIVE_BYTES = 131_072  # receive buffer; below a packet of the loopback (64 kB) nothing would flow
PING = b"\x89\x00"  # a ping frame without content (RFC 6455, 5.5.2); clients answer it automatically
GONE_MS = 60_000  # a peer that acknowledges no data, pings included, for this long is gone
_INFO_BYTES, _RECEIVED_AT = 136, 128  # of Linux's `struct tcp_info`: tcpi_bytes_received, since 4.1

_LIBC = ctypes.CDLL(None)

log = structlog.get_logger()


class InboundLimit:
    """Limits the inbound bytes of one connection. `peer` is its remote address and port."""

    def __init__(self, peer: tuple[str, int]) -> None:
        self.peer = peer
        self._socket: socket.socket | None = None
        self._counted_bytes, self._counted_at_s = 0, monotonic()

    def attach(self, duplicate: socket.socket) -> None:
        """Set the connection: a duplicate of its descriptor, which this object closes."""
        self._socket = duplicate
        duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        with suppress(OSError):  # not TCP: a Unix socket
            duplicate.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_MS)
        self.message_received()

    def message_received(self) -> None:
        """A message is complete: count from here."""
        self._counted_bytes, self._counted_at_s = self._received_bytes(), monotonic()

    def reset_if_exceeded(self) -> bool:
        """Reset the connection if it received more than allowed; returns whether it did."""
        allowed = ALLOWED_BYTES + PING_BYTES_PER_S * (monotonic() - self._counted_at_s)
        if self._socket is None or self._received_bytes() - self._counted_bytes <= allowed:
            return False
        _reset_connection(self._socket)
        self.close()
        return True

    def ping(self) -> None:
        """Send a ping frame, which keeps proxies from closing the connection and detects peers that are gone.

        Call this while no message is being sent, so that the frame falls between two messages. It is skipped while
        bytes are unacknowledged: they serve the same purpose, and the server may have sent a frame in part.
        """
        if self._socket is None:
            return
        with suppress(OSError):  # it has ended, which the server notices itself
            if not struct.unpack("=i", fcntl.ioctl(self._socket, termios.TIOCOUTQ, bytes(4)))[0]:
                self._socket.send(PING, socket.MSG_DONTWAIT)

    def close(self) -> None:
        """Close our duplicate."""
        if self._socket:
            self._socket.close()
            self._socket = None

    def _received_bytes(self) -> int:
        if self._socket is None:
            return 0
        try:
            info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
        except OSError:  # not TCP: a Unix socket
            return 0
        return int(struct.unpack_from("=Q", info, _RECEIVED_AT)[0]) if len(info) >= _INFO_BYTES else 0


class InboundLimits:
    """The inbound limits of all sockets of this process."""

    def __init__(self) -> None:
        self._watched: set[InboundLimit] = set()
        self._unattached: dict[tuple[str, int], InboundLimit] = {}
        self._attach_lock, self._has_watched = asyncio.Lock(), asyncio.Event()

    async def add(self, limit: InboundLimit) -> None:
        """Start watching a connection. Call this before its socket is accepted: nothing is read until then."""
        self._unattached[limit.peer] = limit
        async with self._attach_lock:
            if limit.peer in self._unattached:  # not found by an earlier caller's search
                unattached, self._unattached = self._unattached, {}
                found = await asyncio.to_thread(_find_connections, frozenset(unattached))
                for peer, duplicate in found.items():
                    unattached[peer].attach(duplicate)
        self._watched.add(limit)
        self._has_watched.set()

    def remove(self, limit: InboundLimit) -> None:
        """Stop watching a connection, and close the duplicate."""
        self._watched.discard(limit)
        self._unattached.pop(limit.peer, None)
        limit.close()

    async def run(self) -> None:
        """Check all connections every CHECK_INTERVAL_S, until cancelled; sleeps while there are none."""
        while True:
            await self._has_watched.wait()
            for limit in self._watched:
                if limit.reset_if_exceeded():
                    REJECTED.labels("size").inc()
                    log.info("live.message_too_long")
            if not self._watched:
                self._has_watched.clear()
            await asyncio.sleep(CHECK_INTERVAL_S)


def _reset_connection(connection: socket.socket) -> None:
    """Reset the connection for all its descriptors; `shutdown` would leave received data readable. See connect(2)."""
    _LIBC.connect(connection.fileno(), struct.pack("=H14x", socket.AF_UNSPEC), 16)  # fails harmlessly if it has ended


def _find_connections(peers: frozenset[tuple[str, int]]) -> dict[tuple[str, int], socket.socket]:
    """Duplicates of this process's connections to these peers; the server has no way to pass them to us."""
    found: dict[tuple[str, int], socket.socket] = {}
    for descriptor in _descriptors():
        if (duplicate := _duplicate_socket(descriptor)) is None:
            continue
        peer = _peer_of(duplicate)
        if peer in peers and peer not in found:
            found[peer] = duplicate
        else:
            duplicate.close()
    return found


def _descriptors() -> list[Path]:
    try:
        return list(Path("/proc/self/fd").iterdir())
    except OSError:  # not Linux
        return []


def _duplicate_socket(descriptor: Path) -> socket.socket | None:
    try:
        if descriptor.readlink().name.startswith("socket:"):
            return socket.socket(fileno=os.dup(int(descriptor.name)))
    except OSError:  # closed meanwhile
        return None
    return None


def _peer_of(connection: socket.socket) -> tuple[str, int]:
    try:
        address = connection.getpeername()
    except OSError:  # a listening socket
        return "", 0
    return (address[0].removeprefix("::ffff:"), address[1]) if isinstance(address, tuple) else ("", 0)
