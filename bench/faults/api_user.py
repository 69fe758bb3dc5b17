"""A user of the API during a fault: reads and writes, and records the responses."""

import asyncio
import time
from collections import Counter
from collections.abc import Collection

import aiohttp

from bench.faults.background import Companion
from bench.installation import Installation

LIMIT_S = 15.0
EVERY_S = 0.5
UNREACHABLE = {"type": "http", "config": {"url": "http://127.0.0.1:9/"}, "interval": 3_600, "active": False}


class ApiUser(Companion):
    """Reads and writes in turn. `reads` and `writes` count status codes; "late" is no answer in time.

    slowest_s    the longest wait for an answer
    """

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self.reads, self.writes = Counter[str](), Counter[str]()
        self.slowest_s = 0.0
        self.odd: list[str] = []

    async def _run(self) -> None:
        while True:
            self.reads[await self._request("GET", "/monitors?limit=1")] += 1
            draft = {"name": "visited", "notification_channel_ids": [], **UNREACHABLE}
            self.writes[await self._request("POST", "/monitors", draft)] += 1
            await asyncio.sleep(EVERY_S)

    async def _request(self, method: str, path: str, body: object = None) -> str:
        began = time.perf_counter()
        try:
            status, response = await self._installation.call(method, path, body, limit_s=LIMIT_S)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return "late" if isinstance(error, TimeoutError) else type(error).__name__
        finally:
            self.slowest_s = max(self.slowest_s, time.perf_counter() - began)
        if status >= 400 and "error" not in (response or {}):
            self.odd.append(f"{method} {path}: {status} without the error format")
        return str(status)

    def troubles(self, reads: Collection[str] = ("200",), writes: Collection[str] = ("201",)) -> list[str]:
        """Answers that should not have been given; the statuses are those that may be."""
        bad = [f"read answered {how} ({times} times)" for how, times in self.reads.items() if how not in reads]
        bad += [f"write answered {how} ({times} times)" for how, times in self.writes.items() if how not in writes]
        return bad + self.odd[:3]

    def note(self) -> str:
        """What happened, in a line."""
        return f"reads {dict(self.reads)}, writes {dict(self.writes)}, slowest answer {self.slowest_s:.1f} s"
