"""Touches HEALTH_FILE while this process's event loop runs: the health check of a process without a port."""

import asyncio
from pathlib import Path

import structlog

TOUCH_S = 5.0
log = structlog.get_logger()


async def touch_forever(path: Path) -> None:
    """Touch the file until cancelled, even without Redis and the database."""
    failed = False
    while True:
        try:
            path.touch()  # noqa: ASYNC240  # microseconds, on a local disk
            failed = False
        except OSError as error:
            if not failed:
                log.warning("health_file.write_failed", reason=f"{path} can't be written to: {error.strerror}")
            failed = True
        await asyncio.sleep(TOUCH_S)
