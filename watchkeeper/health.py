"""`watchkeeper-health`: a health check that costs some 20 ms, since it imports next to nothing. Exit code 0 or 1.

Without an argument it asks the API of this machine whether it is ready, at SERVER_HOST and SERVER_PORT as they are in
the environment.
With one, it looks whether that file, a HEALTH_FILE, was touched lately.
"""

import os
import socket
import sys
import time

STALE_S = 30.0  # five touches were missed, or more
TIMEOUT_S = 8.0  # less than a health check's own
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # asked, not bound


def main() -> int:
    """Check; returns the exit code."""
    return int(not (is_fresh(sys.argv[1]) if len(sys.argv) > 1 else is_ready()))


def is_ready() -> bool:
    """Whether the API says that it is."""
    host, port = os.environ.get("SERVER_HOST") or "127.0.0.1", int(os.environ.get("SERVER_PORT") or 8034)
    try:
        with socket.create_connection((EVERYWHERE.get(host, host), port), TIMEOUT_S) as connection:
            connection.sendall(b"GET /api/v1/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return connection.recv(64).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False


def is_fresh(path: str) -> bool:
    """Whether a file was touched lately. A clock that was set back makes it young for ever, so both sides count."""
    try:
        return abs(time.time() - os.stat(path).st_mtime) < STALE_S  # noqa: PTH116  # pathlib costs as much as all the rest
    except OSError:
        return False
