"""Ports of loopback that nobody else takes before they are used."""

import os
import socket
from contextlib import ExitStack
from itertools import cycle

FIRST, SHARES, SHARE = 10_000, 22, 1_000  # below 32,768, where the system begins to give ports to connections
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
_BEGIN = FIRST + (int(_WORKER or os.getpid()) % SHARES) * SHARE
_ports = cycle(_BEGIN + (os.getpid() + number) % SHARE for number in range(SHARE))


def unused_port() -> int:
    """A port that nobody listens on, over TCP or UDP.

    Each worker of pytest has a share of its own, and no port comes again soon. One that the system chose would be given
    to the next connection as well.
    """
    return next(port for port in _ports if _is_unused(port))


def _is_unused(port: int) -> bool:
    with ExitStack() as stack:
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                stack.enter_context(socket.socket(type=kind)).bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
