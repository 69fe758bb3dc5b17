"""P1: what a check costs, over what a bare aiohttp request costs in the same run."""

from bench.figure import Figure
from bench.reading import Reading
from bench.run import Run
from bench.sweep import FEW, MANY, Sweep, sweep


async def measure(run: Run) -> list[Figure]:
    """CPU of every process of ours per check: at 10,000 monitors, between 2,000 and 10,000, at 2,000."""
    found = await sweep(run)
    few, many = found.at[FEW], found.at[MANY]
    return [
        _ratio(found, "P1a", "cost of a check, 10,000 monitors at 20 s", many.cost_ms, 2.5),
        _ratio(found, "P1b", "cost of one more check, 2,000 to 10,000", marginal_ms(few, many), 1.5),
        _ratio(found, "P1c", "cost of a check, 2,000 monitors at 20 s", few.cost_ms, 6.0),
    ]


def marginal_ms(few: Reading, many: Reading) -> float:
    """CPU ms that each further check per second costs."""
    return (many.cores - few.cores) / (many.rate - few.rate) * 1000


def _ratio(found: Sweep, name: str, what: str, cost_ms: float, goal: float) -> Figure:
    note = f"{cost_ms:.3f} ms over {found.bare_ms:.3f} ms bare"
    return Figure(name=name, what=what, value=cost_ms / found.bare_ms, unit="x", goal=goal, note=note)
