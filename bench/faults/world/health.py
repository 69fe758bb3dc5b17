"""Reads `/health` twice a second and records the result."""

import asyncio
import time

import aiohttp

from bench.faults.background import Companion
from bench.faults.standstill import Sample
from bench.installation import Installation

EVERY_S = 0.5
LIMIT = aiohttp.ClientTimeout(total=5.0)


class HealthWatch(Companion):
    """Samples in order of time."""

    def __init__(self, installation: Installation) -> None:
        self._installation, self._address = installation, f"http://127.0.0.1:{installation.port}/health"
        self.samples: list[Sample] = []

    async def _run(self) -> None:
        while True:
            self.samples.append(await self._read())
            await asyncio.sleep(EVERY_S)

    async def _read(self) -> Sample:
        began_ms = time.time() * 1000
        try:
            async with self._installation.session.get(self._address, timeout=LIMIT) as got:
                body = await got.json(content_type=None)
                status = got.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Sample(began_ms, "no answer", (type(error).__name__,))
        if "checks" not in body:
            return Sample(began_ms, f"refused with {status}")
        wrong = tuple(f"{name} {how}" for name, how in body["checks"].items() if how != "ok")
        return Sample(began_ms, body["status"], wrong)
