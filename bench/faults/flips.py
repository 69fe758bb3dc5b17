"""Makes targets fail and recover: most hold a status longer than a monitor may stay unchecked, some do not."""

import asyncio
import random
import time
from collections.abc import Sequence

from bench.faults.background import end
from bench.programs import ControlledProgram
from bench.target import FAIL, PASS

INTERVAL_S = 5
LONGEST_S = 2 * INTERVAL_S + 10  # a monitor may stay unchecked this long, and no longer
HOLD_S = (LONGEST_S + 5.0, LONGEST_S + 20.0)
QUICK_S = (3.0, 12.0)
STEP_S = 0.25


class Flips:
    """Which target is how, and when it changes its mind.

    patient    numbers with plateaus: each must be alerted
    quick      numbers that flip faster than they are seen
    """

    def __init__(self, target: ControlledProgram, patient: Sequence[int], quick: Sequence[int], seed: int) -> None:
        self.patient, self.quick = patient, quick
        self._target = target
        self._chance = random.Random(seed)
        self._up = dict.fromkeys([*patient, *quick], True)
        self._due: dict[int, float] = {}
        self._task: asyncio.Task[None] | None = None

    def _next(self, number: int) -> float:
        low, high = QUICK_S if number in self.quick else HOLD_S
        return time.monotonic() + self._chance.uniform(low, high)

    def go(self) -> None:
        """Begin, or go on after a rest: every target holds for its time from now on."""
        self._due = {number: self._next(number) for number in self._up}
        self._task = asyncio.create_task(self._run(), name="flips")

    async def rest(self) -> None:
        """Stop flipping; every target stays as it is. Raises what had ended it before."""
        if self._task is not None:
            task, self._task = self._task, None
            await end(task)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(STEP_S)
            now = time.monotonic()
            for number in [number for number, due in self._due.items() if due <= now]:
                await self.flip(number)

    async def flip(self, number: int) -> None:
        """Change one target's mind."""
        up = self._up[number] = not self._up[number]
        self._due[number] = self._next(number)
        await self._target.get(f"/set?from={number}&to={number}&as={PASS if up else FAIL}")

    def is_up(self, number: int) -> bool:
        """How a target is now."""
        return self._up[number]

    async def flip_some(self, share: float) -> None:
        """Change the mind of a share of the patient ones, now."""
        for number in self._chance.sample(list(self.patient), int(len(self.patient) * share)):
            await self.flip(number)
