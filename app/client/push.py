"""`watchkeeper push`: report to a monitor of type push, from a job. Needs no login: the token is all there is."""

import sys
from pathlib import Path

from app.client import SUCCESS
from app.client.logins import normalize_url
from app.client.screen import as_json, print_line
from app.client.server import CommandFailed, connect

BODY_BYTES = 10_000  # what is kept of a log: no more is sent


async def run(url: str, token: str, signal: str, words: dict[str, str], body: str, *, json: bool) -> int:
    """Send one report. Raises Refused.

    token   the token, or the whole push address
    signal  start, fail, log or an exit code; empty: it went well
    words   msg, ping, rid, status: what is empty is left out
    body    a file whose end is sent along, `-` for stdin
    """
    at, _, own = token.replace("/ping/", "/push/").rpartition("/push/")
    path = f"/push/{own}" + (f"/{signal}" if signal else "")
    async with connect(normalize_url(at) if at else url, "") as server:
        reply = await server.post_report(path, {key: text for key, text in words.items() if text}, _read_tail(body))
    print_line(as_json(reply) if json else "Reported.")
    return SUCCESS


def _read_tail(file: str) -> bytes:
    """The end of a log, where it says what went wrong. Raises Refused."""
    if not file:
        return b""
    try:
        return (sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes())[-BODY_BYTES:]
    except OSError as error:
        raise CommandFailed(f"{file} can't be read: {error.strerror}") from error
