"""Reads an SSH server's identification line (RFC 4253, 4.2)."""

from asyncio import IncompleteReadError, LimitOverrunError, StreamReader

from actors.probes.kit.result import TargetFailed

MAX_LINES = 64  # a server may send other lines first
MAX_BANNER_BYTES = 255


async def read_banner(reader: StreamReader) -> str:
    """`SSH-2.0-…`; raises TargetFailed when there is none."""
    for before in range(MAX_LINES):
        line = await _read_line(reader)
        if line.startswith(b"SSH-"):
            return line[:MAX_BANNER_BYTES].decode("utf-8", errors="replace").rstrip("\r\n")
        if not line and not before:
            raise TargetFailed("the connection was closed without an answer")
        if not line:
            break
    raise TargetFailed("the server doesn't speak SSH: no line starts with SSH-")


async def _read_line(reader: StreamReader) -> bytes:
    """The next line, or the rest; empty at the end."""
    try:
        return await reader.readuntil(b"\n")
    except IncompleteReadError as error:
        return error.partial
    except LimitOverrunError as error:
        raise TargetFailed("the server doesn't speak SSH: a line without end") from error
