"""A process of its own that adds entries to the audit log: `python -m tests.app.store.writer 12`."""

import asyncio
import os
import sys
from pathlib import Path

from app import db
from app.security.secrets import sealing
from app.settings import read_settings
from app.store.audit import log
from tests import make


async def run(number: int) -> None:
    """Add so many entries, one after another."""
    settings = read_settings(os.environ, Path.cwd())
    sealing.prepare(settings)
    await db.start(settings, connections=2)
    for no in range(number):
        await log.record_entry(make.deed(action=f"{os.getpid()}.{no}"))
    await db.stop()


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1])))
