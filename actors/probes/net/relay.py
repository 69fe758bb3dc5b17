"""A local socket for a library that opens its own connections; everything is relayed to a connection of ours.

gRPC closes a connection only when all its outgoing data has left. A server that sends without end and reads nothing
keeps it open for ever: one descriptor of the worker per check. Here both ends are ours, and close with the check.
"""

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

from app import tasks
from app.security.network.egress import EgressDenied

CHUNK_BYTES = 65_536
MOST_BYTES = 8_388_608  # from one connection: messages have a lower limit, the frames between them have none
ACCEPT_RETRY_S = 0.5
CREDENTIALS = struct.Struct("3i")  # pid, uid, gid of the peer, as Linux reports them

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]


@asynccontextmanager
async def open_relay(connect: Connect) -> AsyncIterator[str]:
    """The address, in gRPC's notation, of a socket that leads where `connect` does. Only this process may connect."""
    name = f"watchkeeper-{uuid4().hex}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        listener.setblocking(False)
        relay = _Relay(listener, connect)
        relay.accept_connections()
        try:
            yield f"unix-abstract:{name}"
        finally:
            await relay.close()


class _Relay:
    """Accepts connections by itself: a server of asyncio forgets those that it accepts while it is closed."""

    def __init__(self, listener: socket.socket, connect: Connect) -> None:
        self._listener, self._connect = listener, connect
        self._loop = asyncio.get_running_loop()
        self._passing: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None

    def accept_connections(self) -> None:
        """From now on, until `close`."""
        self._loop.add_reader(self._listener, self._accept)

    async def close(self) -> None:
        """Accept none any more, and close those that are open."""
        self._loop.remove_reader(self._listener)
        if self._retry:
            self._retry.cancel()
        await tasks.cancel(*self._passing)

    def _accept(self) -> None:
        try:
            accepted, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError:  # this process has no descriptor left
            self._loop.remove_reader(self._listener)
            self._retry = self._loop.call_later(ACCEPT_RETRY_S, self.accept_connections)
            return
        accepted.setblocking(False)
        task = asyncio.create_task(_serve(accepted, self._connect))
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)
        task.add_done_callback(lambda _: accepted.close())  # also when it is cancelled before it starts


async def _serve(accepted: socket.socket, connect: Connect) -> None:
    """Relay between the library and the target until both have ended, or the limit is exceeded."""
    if not _is_own_process(accepted):
        return
    reader, writer = await asyncio.open_unix_connection(sock=accepted)
    target_side: Streams | None = None
    try:
        target_side = await connect()
        await _run_both(_copy(reader, target_side[1]), _copy(target_side[0], writer, MOST_BYTES))
    except (OSError, EgressDenied):
        pass  # the library sees the end of its connection
    finally:
        writer.transport.abort()
        if target_side:
            target_side[1].transport.abort()


def _is_own_process(peer: socket.socket) -> bool:
    pid, _, _ = CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))
    return bool(pid == os.getpid())


async def _run_both(*copies: Awaitable[None]) -> None:
    """Wait until both have ended. Raises the error of one, and cancels the other then."""
    running = [asyncio.ensure_future(task) for task in copies]
    try:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        await tasks.cancel(*running)
    for task in done:
        task.result()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, max_bytes: int | None = None) -> None:
    left = max_bytes
    while piece := await reader.read(CHUNK_BYTES):
        if left is not None and (left := left - len(piece)) < 0:
            raise ConnectionAbortedError(f"more than {max_bytes} bytes")
        writer.write(piece)
        await writer.drain()
    writer.write_eof()
