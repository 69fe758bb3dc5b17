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

from app.security.limits.rejections import REFUSED

ALLOWED_BYTES = 262_144  # since the last message: some times what a message may have, and what the server reads ahead
PINGS_BYTES_PER_S = 100  # on top of that: frames that are no messages are not handed on
LOOK_S = 0.05
RECEIVE_BYTES = 131_072  # what may be on its way to us; below a packet of the loopback (64 kB) nothing would flow
PING = b"\x89\x00"  # a ping frame without content (RFC 6455, 5.5.2); every client answers it by itself
GONE_MS = 60_000  # a peer that acknowledges nothing for so long, a ping for one, is gone
_INFO_BYTES, _RECEIVED_AT = 136, 128  # of Linux's `struct tcp_info`: tcpi_bytes_received, since 4.1

_LIBC = ctypes.CDLL(None)

log = structlog.get_logger()


class Inflow:
    """What comes in from one peer. `peer` is its end of the connection."""

    def __init__(self, peer: tuple[str, int]) -> None:
        self.peer = peer
        self._socket: socket.socket | None = None
        self._before, self._since_s = 0, monotonic()

    def attach(self, own: socket.socket) -> None:
        """This is the connection: a copy of its descriptor, which we close."""
        self._socket = own
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        with suppress(OSError):  # no TCP: behind a Unix socket
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_MS)
        self.handed_on()

    def handed_on(self) -> None:
        """A message is whole: all before it is paid for."""
        self._before, self._since_s = self._received(), monotonic()

    def end_if_too_much(self) -> bool:
        """Reset the connection when nobody could want what has come; True when that was so."""
        allowed = ALLOWED_BYTES + PINGS_BYTES_PER_S * (monotonic() - self._since_s)
        if self._socket is None or self._received() - self._before <= allowed:
            return False
        _abort(self._socket)
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

    def _received(self) -> int:
        if self._socket is None:
            return 0
        try:
            info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
        except OSError:  # no TCP: behind a Unix socket
            return 0
        return int(struct.unpack_from("=Q", info, _RECEIVED_AT)[0]) if len(info) >= _INFO_BYTES else 0


class Inflows:
    """Those of this process."""

    def __init__(self) -> None:
        self._open: set[Inflow] = set()
        self._waiting: dict[tuple[str, int], Inflow] = {}
        self._looking, self._some = asyncio.Lock(), asyncio.Event()

    async def add(self, inflow: Inflow) -> None:
        """Keep an eye on it. Before its socket is accepted: nothing is read from it until then."""
        self._waiting[inflow.peer] = inflow
        async with self._looking:
            if inflow.peer in self._waiting:  # nobody who came before has found it beside their own
                waiting, self._waiting = self._waiting, {}
                found = await asyncio.to_thread(_connections, frozenset(waiting))
                for peer, own in found.items():
                    waiting[peer].attach(own)
        self._open.add(inflow)
        self._some.set()

    def remove(self, inflow: Inflow) -> None:
        """Its socket is done with."""
        self._open.discard(inflow)
        self._waiting.pop(inflow.peer, None)
        inflow.close()

    async def run(self) -> None:
        """Look, until cancelled; there is nothing to do without sockets."""
        while True:
            await self._some.wait()
            for one in self._open:
                if one.end_if_too_much():
                    REFUSED.labels("size").inc()
                    log.info("live.message_too_long")
            if not self._open:
                self._some.clear()
            await asyncio.sleep(LOOK_S)


def _abort(own: socket.socket) -> None:
    """Reset the connection, whoever else holds it: `shutdown` would leave what has come to be read. See connect(2)."""
    _LIBC.connect(own.fileno(), struct.pack("=H14x", socket.AF_UNSPEC), 16)  # one that has ended by itself is left


def _connections(peers: frozenset[tuple[str, int]]) -> dict[tuple[str, int], socket.socket]:
    """Copies of this process's connections to these peers: the server accepts them, and has no way to hand them on."""
    found: dict[tuple[str, int], socket.socket] = {}
    for descriptor in _descriptors():
        if (own := _copy(descriptor)) is None:
            continue
        peer = _peer(own)
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


def _copy(descriptor: Path) -> socket.socket | None:
    try:
        if descriptor.readlink().name.startswith("socket:"):
            return socket.socket(fileno=os.dup(int(descriptor.name)))
    except OSError:  # closed meanwhile
        return None
    return None


def _peer(own: socket.socket) -> tuple[str, int]:
    try:
        address = own.getpeername()
    except OSError:  # one that listens
        return "", 0
    return (address[0].removeprefix("::ffff:"), address[1]) if isinstance(address, tuple) else ("", 0)
