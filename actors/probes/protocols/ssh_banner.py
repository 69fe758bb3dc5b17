"""How an SSH server introduces itself (RFC 4253, 4.2)."""

from asyncio import IncompleteReadError, LimitOverrunError, StreamReader

from actors.probes.kit.result import Failed

LINES = 64  # a server may say other things first
BANNER_BYTES = 255


async def banner_of(reader: StreamReader) -> str:
    """`SSH-2.0-…`; raises Failed when there is none."""
    for before in range(LINES):
        line = await _line(reader)
        if line.startswith(b"SSH-"):
            return line[:BANNER_BYTES].decode("utf-8", errors="replace").rstrip("\r\n")
        if not line and not before:
            raise Failed("the connection was closed without an answer")
        if not line:
            break
    raise Failed("the server doesn't speak SSH: no line starts with SSH-")


async def _line(reader: StreamReader) -> bytes:
    """The next line, or what is left of it; empty at the end."""
    try:
        return await reader.readuntil(b"\n")
    except IncompleteReadError as error:
        return error.partial
    except LimitOverrunError as error:
        raise Failed("the server doesn't speak SSH: a line without end") from error
