"""P3: how late checks arrive at their target after they were due."""

from bench.figure import Figure
from bench.run import Run
from bench.sweep import MANY, SOME, sweep

GOALS_MS = {SOME: 80, MANY: 100}


async def measure(run: Run) -> list[Figure]:
    """p99 of the lateness at 4,000 and 10,000 monitors."""
    at = (await sweep(run)).at
    return [
        Figure(
            name=f"P3{mark}",
            what=f"lateness p99, {size:,} monitors at 20 s",
            value=at[size].late(0.99) if size in at else None,
            unit="ms",
            goal=goal_ms,
            note=f"p50 {at[size].late(0.5):.0f} ms, {at[size].missed} missed" if size in at else "left out when quick",
        )
        for mark, (size, goal_ms) in zip("ab", GOALS_MS.items(), strict=True)
    ]
