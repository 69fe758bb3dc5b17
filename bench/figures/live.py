"""P9: delay of live heartbeats with a thousand listeners, one of which never reads."""

from bench import live
from bench.figure import Figure
from bench.run import Run


async def measure(run: Run) -> list[Figure]:
    """p99 from publish to arrival, and what was lost on the way."""
    found = await live.run(5 if run.quick else 20)
    note = f"p50 {found['p50_ms']:.0f} ms, {found['cores']:.2f} core"
    return [
        Figure(
            name="P9a", what="live delay p99, 1,000 WebSocket clients, 200 beats/s", value=found["p99_ms"], unit="ms",
            goal=300, note=note,
        ),
        Figure(name="P9b", what="live heartbeats lost on the way", value=found["lost"], goal=0),
    ]  # fmt: skip
