"""Touches HEALTH_FILE while the loop of this process turns: the health check of a process without a port."""

import asyncio
from pathlib import Path

import structlog

TOUCH_S = 5.0
log = structlog.get_logger()


async def touch_forever(path: Path) -> None:
    """Touch the file until cancelled, whether Redis and the database are there or not."""
    failed = False
    while True:
        try:
            path.touch()  # noqa: ASYNC240  # microseconds, on a local disk
            failed = False
        except OSError as error:
            if not failed:
                log.warning("health_file.failed", reason=f"{path} can't be written to: {error.strerror}")
            failed = True
        await asyncio.sleep(TOUCH_S)
