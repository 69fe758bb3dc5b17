"""What the server can't do for a WebSocket, done on a copy of its connection: bound what comes in, and send pings.

The server puts frames and messages together before anybody here sees a byte of them, up to 64 MB, and has no setting
for it. But the kernel counts what has come over a connection. What came since the last message was handed on, and is
more than one may have, is a message that nobody wants: its connection is reset. A small receive buffer keeps a peer
from sending much between two looks.
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

ALLOWED_BYTES = 262_144  # since the last message: some times what a message may have, and what the server reads ahead
PING_BYTES_PER_S = 100  # on top of that: frames that are no messages are not handed on
CHECK_INTERVAL_S = 0.05
RECEIVE_BYTES = 131_072  # what may be on its way to us; below a packet of the loopback (64 kB) nothing would flow
PING = b"\x89\x00"  # a ping frame without content (RFC 6455, 5.5.2); every client answers it by itself
GONE_MS = 60_000  # a peer that acknowledges nothing for so long, a ping for one, is gone
_INFO_BYTES, _RECEIVED_AT = 136, 128  # of Linux's `struct tcp_info`: tcpi_bytes_received, since 4.1

_LIBC = ctypes.CDLL(None)

log = structlog.get_logger()


class InboundLimit:
    """What comes in from one peer. `peer` is its end of the connection."""

    def __init__(self, peer: tuple[str, int]) -> None:
        self.peer = peer
        self._socket: socket.socket | None = None
        self._counted_bytes, self._counted_at_s = 0, monotonic()

    def attach(self, own: socket.socket) -> None:
        """This is the connection: a copy of its descriptor, which we close."""
        self._socket = own
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        with suppress(OSError):  # no TCP: behind a Unix socket
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_MS)
        self.message_received()

    def message_received(self) -> None:
        """A message is whole: all before it is paid for."""
        self._counted_bytes, self._counted_at_s = self._received_bytes(), monotonic()

    def reset_if_exceeded(self) -> bool:
        """Reset the connection when nobody could want what has come; True when that was so."""
        allowed = ALLOWED_BYTES + PING_BYTES_PER_S * (monotonic() - self._counted_at_s)
        if self._socket is None or self._received_bytes() - self._counted_bytes <= allowed:
            return False
        _reset_connection(self._socket)
        self.close()
        return True

    def ping(self) -> None:
        """Send a ping frame, which keeps proxies from closing the connection and finds peers that are gone.

        To be called while no message is being sent, so that it stands between two of them. While bytes wait to be
        acknowledged it is left out: they do the same, and a frame of the server's may still be on its way in parts.
        """
        if self._socket is None:
            return
        with suppress(OSError):  # it has ended: the server notices by itself
            if not struct.unpack("=i", fcntl.ioctl(self._socket, termios.TIOCOUTQ, bytes(4)))[0]:
                self._socket.send(PING, socket.MSG_DONTWAIT)

    def close(self) -> None:
        """Give our copy back."""
        if self._socket:
            self._socket.close()
            self._socket = None

    def _received_bytes(self) -> int:
        if self._socket is None:
            return 0
        try:
            info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
        except OSError:  # no TCP: behind a Unix socket
            return 0
        return int(struct.unpack_from("=Q", info, _RECEIVED_AT)[0]) if len(info) >= _INFO_BYTES else 0


class InboundLimits:
    """Those of this process."""

    def __init__(self) -> None:
        self._watched: set[InboundLimit] = set()
        self._unattached: dict[tuple[str, int], InboundLimit] = {}
        self._attach_lock, self._has_watched = asyncio.Lock(), asyncio.Event()

    async def add(self, limit: InboundLimit) -> None:
        """Keep an eye on it. Before its socket is accepted: nothing is read from it until then."""
        self._unattached[limit.peer] = limit
        async with self._attach_lock:
            if limit.peer in self._unattached:  # nobody who came before has found it beside their own
                waiting, self._unattached = self._unattached, {}
                found = await asyncio.to_thread(_find_connections, frozenset(waiting))
                for peer, own in found.items():
                    waiting[peer].attach(own)
        self._watched.add(limit)
        self._has_watched.set()

    def remove(self, limit: InboundLimit) -> None:
        """Its socket is done with."""
        self._watched.discard(limit)
        self._unattached.pop(limit.peer, None)
        limit.close()

    async def run(self) -> None:
        """Look, until cancelled; there is nothing to do without sockets."""
        while True:
            await self._has_watched.wait()
            for one in self._watched:
                if one.reset_if_exceeded():
                    REJECTED.labels("size").inc()
                    log.info("live.message_too_long")
            if not self._watched:
                self._has_watched.clear()
            await asyncio.sleep(CHECK_INTERVAL_S)


def _reset_connection(own: socket.socket) -> None:
    """Reset the connection, whoever else holds it: `shutdown` would leave what has come to be read. See connect(2)."""
    _LIBC.connect(own.fileno(), struct.pack("=H14x", socket.AF_UNSPEC), 16)  # one that has ended by itself is left


def _find_connections(peers: frozenset[tuple[str, int]]) -> dict[tuple[str, int], socket.socket]:
    """Copies of this process's connections to these peers: the server accepts them, and has no way to hand them on."""
    found: dict[tuple[str, int], socket.socket] = {}
    for descriptor in _descriptors():
        if (own := _duplicate_socket(descriptor)) is None:
            continue
        peer = _peer_of(own)
        if peer in peers and peer not in found:
            found[peer] = own
        else:
            own.close()
    return found


def _descriptors() -> list[Path]:
    try:
        return list(Path("/proc/self/fd").iterdir())
    except OSError:  # no Linux
        return []


def _duplicate_socket(descriptor: Path) -> socket.socket | None:
    try:
        if descriptor.readlink().name.startswith("socket:"):
            return socket.socket(fileno=os.dup(int(descriptor.name)))
    except OSError:  # closed meanwhile
        return None
    return None


def _peer_of(own: socket.socket) -> tuple[str, int]:
    try:
        address = own.getpeername()
    except OSError:  # one that listens
        return "", 0
    return (address[0].removeprefix("::ffff:"), address[1]) if isinstance(address, tuple) else ("", 0)
