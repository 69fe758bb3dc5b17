"""The api process: Granian in this very process, no parent of its own, on uvloop."""

import asyncio
import signal
from typing import Any

import uvloop
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from app.main import create_app
from app.settings import Settings

BACKPRESSURE = 16_384  # connections at once: it counts live WebSockets and idle keep-alives, not requests
BACKLOG = 1_024
# Granian configures loggers of its own; these hand their lines on to ours.
LOGGERS: dict[str, Any] = {
    "formatters": {},
    "handlers": {},
    "loggers": {
        "_granian": {"handlers": [], "propagate": True},
        "granian.access": {"handlers": [], "propagate": False},
    },
}


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; returns an exit code."""
    return uvloop.run(_serve(settings))


async def _serve(settings: Settings) -> int:
    app = create_app(settings)
    server = Server(
        app,
        address=settings.server_host,
        port=settings.server_port,
        interface=Interfaces.ASGI,
        websockets=True,
        backlog=BACKLOG,
        backpressure=BACKPRESSURE,
        log_level=LogLevels.warning,
        log_dictconfig=LOGGERS,
    )

    def stop() -> None:
        app.state.draining = True  # "/ready" says no while the last requests are answered
        server.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    await server.serve()
    return 1 if server.interrupt_children else 0
