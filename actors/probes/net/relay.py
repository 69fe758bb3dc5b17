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
CREDENTIALS = struct.Struct("3i")  # pid, uid, gid of the peer, as Linux reports them

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]


@asynccontextmanager
async def open_relay(connect: Connect) -> AsyncIterator[str]:
    """The address, in gRPC's notation, of a socket that leads where `connect` does. Only this process may connect."""
    name = f"watchkeeper-{uuid4().hex}"
    passing: set[asyncio.Task[None]] = set()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(_serve((reader, writer), connect))
        passing.add(task)
        task.add_done_callback(passing.discard)

    server = await asyncio.start_unix_server(serve, f"\0{name}")
    try:
        yield f"unix-abstract:{name}"
    finally:
        server.close()
        await tasks.cancel(*passing)


async def _serve(library_side: Streams, connect: Connect) -> None:
    """Relay between the library and the target until both have ended, or the limit is exceeded."""
    target_side: Streams | None = None
    try:
        if _is_own_process(library_side[1].get_extra_info("socket")):
            target_side = await connect()
            await _run_both(_copy(library_side[0], target_side[1]), _copy(target_side[0], library_side[1], MOST_BYTES))
    except (OSError, EgressDenied):
        pass  # the library sees the end of its connection
    finally:
        for _, writer in filter(None, (library_side, target_side)):
            writer.transport.abort()


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
