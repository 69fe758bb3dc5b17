"""`watchkeeper push`: sends a report from a job to a push monitor. Needs no login, only the monitor's token."""

import sys
from pathlib import Path

from app.client import SUCCESS
from app.client.logins import normalize_url
from app.client.screen import as_json, print_line
from app.client.server import CommandFailed, connect

BODY_BYTES = 10_000  # the server keeps no more of a log


async def run(url: str, token: str, signal: str, params: dict[str, str], body: str, *, json: bool) -> int:
    """Send one report. Raises CommandFailed.

    token   the token, or the whole push address
    signal  start, fail, log or an exit code; empty: success
    params  msg, ping, rid, status; empty ones are omitted
    body    a log file whose end is sent, `-` for stdin
    """
    server_part, _, own_token = token.replace("/ping/", "/push/").rpartition("/push/")
    path = f"/push/{own_token}" + (f"/{signal}" if signal else "")
    async with connect(normalize_url(server_part) if server_part else url, "") as api:
        reply = await api.post_report(path, {key: text for key, text in params.items() if text}, _read_tail(body))
    print_line(as_json(reply) if json else "Reported.")
    return SUCCESS


def _read_tail(file: str) -> bytes:
    """The end of a log, which is most likely to show an error. Raises CommandFailed."""
    if not file:
        return b""
    try:
        return (sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes())[-BODY_BYTES:]
    except OSError as error:
        raise CommandFailed(f"{file} can't be read: {error.strerror}") from error
