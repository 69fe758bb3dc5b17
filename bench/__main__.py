"""python -m bench [name…] [--quick] [--write]: measure, print one table, keep it as JSON.

name       P1 … P13, AUTH, or alert-latency, which is P4; all of them without one
--quick    shorter and rougher
--write    also put the table into docs/performance.md
"""

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from collections.abc import Awaitable, Callable

import msgspec

from bench import figure, host
from bench.figure import Figure
from bench.figures import (
    alerts,
    auth,
    capacity,
    cost,
    later,
    live,
    memory,
    mixture,
    neighbours,
    punctuality,
    pushes,
    start,
    storage,
)
from bench.programs import ROOT
from bench.run import Run

Measure = Callable[[Run], Awaitable[list[Figure]]]
LIMIT_S = 900.0  # nothing takes longer, or it hangs
FIGURES: dict[str, Measure] = {
    "P1": cost.measure,
    "P2": capacity.measure,
    "P3": punctuality.measure,
    "P4": alerts.measure,
    "P5": pushes.measure,
    "P6": memory.measure,
    "P7": storage.measure,
    "P8": later.reads,
    "P9": live.measure,
    "P10": start.measure,
    "P11": later.nodes,
    "P12": neighbours.measure,
    "P13": mixture.measure,
    "AUTH": auth.measure,
}

ALSO_CALLED = {"ALERT-LATENCY": "P4"}


async def measured(name: str, run: Run) -> list[Figure]:
    """One figure's rows; what went wrong stands in the row instead of a value."""
    print(f"{name} …", file=sys.stderr, flush=True)
    try:
        with host.watched() as theft:
            found = await asyncio.wait_for(FIGURES[name](run), LIMIT_S)
    except Exception as error:  # noqa: BLE001  # one figure that can't be had must not cost the others
        return [Figure(name=name, what=f"failed: {type(error).__name__}: {str(error)[-200:]}")]
    return [msgspec.structs.replace(one, note="; ".join(filter(None, [one.note, theft.note]))) for one in found]


async def measured_all(names: list[str], run: Run) -> list[Figure]:
    """The figures, one after the other: they share the machine."""
    return [row for name in names for row in await measured(name, run)]


def save(figures: list[Figure], *, quick: bool) -> None:
    """Write them to bench/out/, with the machine they are from."""
    folder = ROOT / "bench" / "out"
    folder.mkdir(exist_ok=True)
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "kernel": platform.release()}
    rows = [msgspec.structs.asdict(one) | {"verdict": one.verdict} for one in figures]
    text = json.dumps({"at": time.time(), "quick": quick, "machine": machine, "figures": rows}, indent=1)
    (folder / time.strftime("%Y%m%d-%H%M%S.json")).write_text(text)
    (folder / "latest.json").write_text(text)


def publish(figures: list[Figure]) -> None:
    """Put the table into the documentation."""
    page = ROOT / "docs" / "performance.md"
    when = f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, Python {platform.python_version()}."
    page.write_text(figure.placed(page.read_text(), f"{when}\n\n{figure.table(figures)}"))


def main() -> int:
    """Measure the chosen figures. 1 when a figure falls short or could not be had."""
    parser = argparse.ArgumentParser(prog="bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="name", type=str.upper, choices=[*FIGURES, *ALSO_CALLED, []])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    names = [ALSO_CALLED.get(name, name) for name in args.names] or list(FIGURES)
    found = asyncio.run(measured_all(names, Run(quick=args.quick)))
    save(found, quick=args.quick)
    if args.write:
        publish(found)
    print(figure.table(found))
    return int(any(one.verdict == "short" or one.what.startswith("failed") for one in found))


if __name__ == "__main__":
    sys.exit(main())
