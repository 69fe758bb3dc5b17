"""python -m bench.faults [alerts|kill|redis|database|targets|world|all] [--rounds N] [--seconds S] [--seed N]
                       [--postgres] [--sqlite] [--quick] [--only WORDS].

`alerts` and `targets` run on both engines unless one is named, `world` on both at once; the others on SQLite unless
`--postgres` is.

Exits with 1 when something does not hold.
"""

import argparse
import asyncio
import random
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from bench.faults import alerts, database, kill, postgres, redis
from bench.faults.hostile import run as targets
from bench.faults.options import Options
from bench.faults.postgres import Cluster
from bench.faults.report import Printed
from bench.faults.world import run as world
from bench.programs import ROOT

LIMIT_S = 1_500.0  # nothing takes longer, or it hangs
NAMES = ("kill", "redis", "database", "alerts", "targets", "world")
BOTH = frozenset({"alerts", "targets", "world"})  # run on both engines unless one is named
SECONDS = {"targets": 300.0}
ROUNDS = {"kill": 100, "alerts": 200}


async def one(name: str, options: Options) -> Sequence[Printed]:
    """The reports of one kind of fault, printed."""
    async with asyncio.timeout(LIMIT_S):
        if name == "world":  # its faults are many: each is shown as it comes
            return await world.run(options, show)
        reports = await _reports(name, options)
    for report in reports:
        show(report)
    return reports


async def _reports(name: str, options: Options) -> Sequence[Printed]:
    match name:
        case "kill":
            return [await kill.run(options)]
        case "alerts":
            return [await alerts.run(options)]
        case "redis":
            return [await redis.run(options)]
        case "targets":
            return [await targets.run(options)]
    return await database.run(options)


def show(report: Printed) -> None:
    """Print it."""
    print(report.text(), flush=True)


@asynccontextmanager
async def _database(*, is_postgres: bool) -> AsyncIterator[Cluster | None]:
    if not is_postgres:
        yield None
        return
    async with postgres.cluster() as cluster:
        yield cluster


async def run(args: argparse.Namespace) -> bool:
    """Run the chosen faults, each on a fresh installation. Whether all of them pass."""
    names = NAMES if args.name == "all" else (args.name,)
    wanted = [(name, engine) for name in names for engine in _engines(name, args)]
    return all([await _passes(args, name, is_postgres=engine) for name, engine in wanted])


async def _passes(args: argparse.Namespace, name: str, *, is_postgres: bool) -> bool:
    """One kind of fault on one engine."""
    async with _database(is_postgres=is_postgres) as cluster:
        options = Options(
            rounds=args.rounds or ROUNDS.get(name, 1),
            outage_s=args.seconds or SECONDS.get(name, 60.0),
            lock_s=min(args.seconds or 15.0, 15.0),
            seed=args.seed,
            is_short=args.quick,
            only=args.only,
            cluster=cluster,
        )
        reports = await one(name, options)
    return all(report.holds for report in reports)


def _engines(name: str, args: argparse.Namespace) -> list[bool]:
    """Which engines a run is for: whether each is PostgreSQL."""
    both = name in BOTH and not (args.postgres or args.sqlite)
    return [False, True] if both else [args.postgres]


def main() -> int:
    """Break things, print what that did. 1 when something does not hold."""
    parser = argparse.ArgumentParser(prog="faults", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", nargs="?", default="all", choices=(*NAMES, "all"))
    parser.add_argument("--rounds", type=int, help="of kills (100), of alerts (200)")
    parser.add_argument(
        "--seconds", type=float, help="how long something stays away (60), or how long targets are hostile (300)"
    )
    parser.add_argument("--postgres", action="store_true", help="with a PostgreSQL of its own instead of SQLite")
    parser.add_argument("--sqlite", action="store_true", help="alerts, targets and world: on SQLite only")
    parser.add_argument("--quick", action="store_true", help="world: a short selection")
    parser.add_argument("--only", default="", metavar="WORDS", help="targets, world: what has this in its name")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000), help="of what is random")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what was started is ended
    if args.name == "world" and not (args.postgres or args.sqlite):
        return 0 if all(asyncio.run(both())) else 1
    print(f"seed {args.seed}", flush=True)
    return 0 if asyncio.run(run(args)) else 1


async def both() -> list[bool]:
    """The same command for each engine, at once. A process has one database, so each gets a process."""
    commands = [[sys.executable, "-m", "bench.faults", *sys.argv[1:], engine] for engine in ("--sqlite", "--postgres")]
    runs = [await asyncio.create_subprocess_exec(*command, cwd=ROOT) for command in commands]
    try:
        return [await one.wait() == 0 for one in runs]
    finally:
        for one in runs:
            with suppress(ProcessLookupError):
                one.terminate()
            await one.wait()


if __name__ == "__main__":
    sys.exit(main())
