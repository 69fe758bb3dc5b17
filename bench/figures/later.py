"""P8 and P11: figures of parts that do not exist yet."""

from bench.figure import Figure
from bench.run import Run


async def reads(run: Run) -> list[Figure]:
    """P8: reads over ten million heartbeats."""
    del run
    return [Figure(name="P8", what="reads over 10 M heartbeats, p99", unit="ms", goal=50)]


async def nodes(run: Run) -> list[Figure]:
    """P11: growth with more workers."""
    del run
    return [Figure(name="P11", what="checks/s, 2 workers over 1", unit="x", goal=1.8, at_least=True)]
