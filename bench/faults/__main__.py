"""python -m bench.faults kill|redis|database|all [--rounds N] [--seconds S] [--postgres] [--seed N].

Exits with 1 when something does not hold.
"""

import argparse
import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.faults import database, kill, postgres, redis
from bench.faults.postgres import Cluster
from bench.faults.report import Report
from bench.faults.setting import Setting

LIMIT_S = 900.0  # nothing takes longer, or it hangs
NAMES = ("kill", "redis", "database")


async def one(name: str, setting: Setting) -> list[Report]:
    """The reports of one kind of fault."""
    async with asyncio.timeout(LIMIT_S):
        if name == "kill":
            return [await kill.run(setting)]
        return [await redis.run(setting)] if name == "redis" else await database.run(setting)


@asynccontextmanager
async def _database(asked: argparse.Namespace) -> AsyncIterator[Cluster | None]:
    if not asked.postgres:
        yield None
        return
    async with postgres.cluster() as cluster:
        yield cluster


async def run(asked: argparse.Namespace) -> bool:
    """Everything that was asked for, each on a fresh installation. Whether all of it holds."""
    fine = True
    for name in NAMES if asked.name == "all" else (asked.name,):
        async with _database(asked) as cluster:
            setting = Setting(
                rounds=asked.rounds,
                outage_s=asked.seconds,
                lock_s=min(asked.seconds, 15.0),
                seed=asked.seed,
                cluster=cluster,
            )
            for report in await one(name, setting):
                print(report.text(), flush=True)
                fine = fine and report.holds
    return fine


def main() -> int:
    """Break things, print what that did. 1 when something does not hold."""
    parser = argparse.ArgumentParser(prog="faults", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", nargs="?", default="all", choices=(*NAMES, "all"))
    parser.add_argument("--rounds", type=int, default=100, help="kills of R1 (100)")
    parser.add_argument("--seconds", type=float, default=60, help="how long something stays away (60)")
    parser.add_argument("--postgres", action="store_true", help="with a PostgreSQL of its own instead of SQLite")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000), help="of what is random")
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    return 0 if asyncio.run(run(asked)) else 1


if __name__ == "__main__":
    sys.exit(main())
