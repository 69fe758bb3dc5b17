"""What one installation costs and how punctual it is, over a stretch of steady work."""

import asyncio
import time

import msgspec
from msgspec import Struct

from bench import lateness, record
from bench.figure import percentile
from bench.installation import Installation
from bench.processes import Cost
from bench.programs import ControlledProgram
from bench.target import HANG, Log

INTERVAL_S = 20


class Reading(Struct, frozen=True):
    """A stretch of steady work.

    late_ms    how late each check was, in order of size
    missed     monitors that were left alone for more than 1.5 intervals
    """

    monitors: int
    checks: int
    seconds: float
    cpu_s: float
    written_bytes: int
    pss_bytes: int
    late_ms: list[float]
    missed: int

    @property
    def cores(self) -> float:
        """CPU seconds per second."""
        return self.cpu_s / self.seconds

    @property
    def rate(self) -> float:
        """Checks per second."""
        return self.checks / self.seconds

    @property
    def cost_ms(self) -> float:
        """CPU milliseconds per check."""
        return self.cpu_s * 1000 / max(1, self.checks)

    def late(self, share: float) -> float:
        """A percentile of the lateness, ms."""
        return percentile(self.late_ms, share)


async def reading(of: Installation, target: ControlledProgram, seconds: float, interval_s: int = INTERVAL_S) -> Reading:
    """Watch for some seconds. Checks that hang are counted, their lateness is left out."""
    await target.get("/reset")
    began, before = time.time(), of.cost()
    await asyncio.sleep(seconds)
    after, ended = of.cost(), time.time()
    log = msgspec.json.decode(await target.get("/log"), type=Log)
    async with record.record(of):
        phases = await record.phases(interval_s * 1000)
    return _summed(log, phases, (began, ended), (before, after), interval_s * 1000)


def _summed(
    log: Log, phases: dict[int, int], span_s: tuple[float, float], costs: tuple[Cost, Cost], interval_ms: int
) -> Reading:
    began, ended = span_s
    inside = [one for one in zip(log.numbers, log.at_ms, log.answers, strict=True) if one[1] < ended * 1000]
    prompt = [(number, at_ms) for number, at_ms, answer in inside if answer != HANG]
    hanging = {number for number, _, answer in inside if answer == HANG}
    watched = phases.keys() - hanging
    return Reading(
        len(phases),
        len(inside),
        ended - began,
        costs[1].cpu_s - costs[0].cpu_s,
        costs[1].written_bytes - costs[0].written_bytes,
        costs[1].pss_bytes,
        lateness.late_ms(prompt, phases, interval_ms),
        lateness.missed(prompt, watched, (began * 1000, ended * 1000), interval_ms),
    )
