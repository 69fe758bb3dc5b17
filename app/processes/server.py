"""The api process: Granian in this very process, no parent of its own, on uvloop."""

import asyncio
import signal
from typing import Any

import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server

from app import gc_tuning, tasks
from app.main import create_app
from app.settings import Settings

BACKPRESSURE = 16_384  # connections at once: it counts live WebSockets and idle keep-alives, not requests
BACKLOG = 1_024
STOP_S = 28.0  # after which the process ends, whatever keeps it; before the parent kills it
# Until a request's headers are complete, from the connection on and again after each reply: so it is how long an idle
# connection is kept, too, and longer than proxies keep theirs to us (nginx: 60 s). Bodies are `app.api.http.timeouts`'.
HEADERS_S = 65
HEADERS_BYTES = 65_536  # of a connection that nobody has looked at yet
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
    gc_tuning.freeze_and_enable()
    server = Server(
        app,
        address=settings.server_host,
        port=settings.server_port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,  # while it waits to see which version is spoken, nothing limits a silent connection
        http1_settings=HTTP1Settings(header_read_timeout=HEADERS_S * 1_000, max_buffer_size=HEADERS_BYTES),
        websockets=True,
        backlog=BACKLOG,
        backpressure=BACKPRESSURE,
        log_level=LogLevels.warning,
        log_dictconfig=LOGGERS,
    )

    failed = asyncio.Event()

    def stop() -> None:
        app.state.draining = True  # "/ready" says no while the last requests are answered
        tasks.exit_after(STOP_S)
        server.stop()

    def fail() -> None:
        failed.set()
        stop()

    tasks.on_task_failure(fail)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    await server.serve()
    return 1 if server.interrupt_children or failed.is_set() else 0
