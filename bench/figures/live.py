"""P9: delay of live heartbeats with a thousand listeners."""

from bench.figure import Figure
from bench.run import Run


async def measure(run: Run) -> list[Figure]:
    """Not measured yet."""
    del run
    return [Figure(name="P9", what="live delay p99, 1,000 WebSocket clients, 200 beats/s", unit="ms", goal=300)]
