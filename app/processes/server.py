"""The api process: Granian embedded in this process, on uvloop."""

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

BACKPRESSURE = 16_384  # concurrent connections, including WebSockets and idle keep-alives
BACKLOG = 1_024
STOP_S = 28.0  # after it the process exits in any case, before the parent kills it
# From the connection, and again from each reply, until a request's headers are complete. So it also limits idle
# connections, and is longer than that of proxies (nginx: 60 s). `app.api.http.timeouts` limits bodies.
HEADERS_S = 65
HEADERS_BYTES = 65_536  # buffered before a request is parsed
# Granian configures loggers of its own; these pass their lines to ours.
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
        http=HTTPModes.http1,  # while Granian detects the version, nothing limits a silent connection
        http1_settings=HTTP1Settings(header_read_timeout=HEADERS_S * 1_000, max_buffer_size=HEADERS_BYTES),
        websockets=True,
        backlog=BACKLOG,
        backpressure=BACKPRESSURE,
        log_level=LogLevels.warning,
        log_dictconfig=LOGGERS,
    )

    failed = asyncio.Event()

    def stop() -> None:
        app.state.draining = True  # "/ready" fails while the last requests finish
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
