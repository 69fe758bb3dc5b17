"""python -m bench.clients [NAME…] [--tools DIR]: try clients that others' generators make of our document.

For each generator: install it from its lock, write the document of a fresh installation down, generate a client by the
command on docs/clients.md, compile it, and run the first steps with it: sign up, make a key, add a channel and test it,
add monitors, see one up, acknowledge the incident of another, report by push, remove everything.
Exits with 1 when one of them does not.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from bench.clients import tools
from bench.clients.generators import BY_NAME
from bench.clients.trial import Result, tried

COLUMNS = ("generator", "version", "generated", "compiled", "flow", "page")


def table(results: list[Result]) -> str:
    """The results in columns."""
    rows = [COLUMNS, *((one.name, one.version, one.generated, one.compiled, one.flow, one.page) for one in results)]
    widths = [max(len(row[number]) for row in rows) for number in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


async def run(names: list[str], place: Path) -> list[Result]:
    """Try them, one after the other."""
    results = []
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        results.append(await tried(BY_NAME[name], place))
        if results[-1].why:
            print(f"\n== {name}\n{results[-1].why}\n", flush=True)
    return results


def main() -> int:
    """Try the chosen generators, and print each result."""
    parser = argparse.ArgumentParser(prog="clients", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*BY_NAME, []], help=", ".join(BY_NAME))
    parser.add_argument("--tools", type=Path, default=tools.TOOLS_FOLDER, help="where generators are installed")
    args = parser.parse_args()
    results = asyncio.run(run(args.names or list(BY_NAME), args.tools.absolute()))
    print(table(results), flush=True)
    return int(not all(one.holds for one in results))


if __name__ == "__main__":
    sys.exit(main())
