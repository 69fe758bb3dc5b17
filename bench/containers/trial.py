"""Checks of the image and of the stack. Each is a function that returns its result as a row."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from bench.containers import given, standins
from bench.containers.engine import Engine
from bench.programs import ROOT

OURS = ("api", "scheduler", "worker")
SERVICES = (*OURS, "redis", "postgres")
IMAGE = "watchkeeper"
CONFINED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
IDLE_S = 60.0
IDLE_CORE = 0.05  # of the whole stack
STOP_S = 10.0
WITHIN_S = 300.0  # a machine may be busy
COMPILED = (
    "import pathlib; ours = [p for p in pathlib.Path('/opt/watchkeeper').rglob('*.py')];"
    "print(len(ours), sum(any(p.parent.glob(f'__pycache__/{p.stem}.*.pyc')) for p in ours))"
)
CHECKED = (
    "import resource, subprocess, sys; [subprocess.run(sys.argv[1:], check=True) for _ in range(10)];"
    "used = resource.getrusage(resource.RUSAGE_CHILDREN); print(100 * (used.ru_utime + used.ru_stime))"
)
CAPABILITIES = "CapEff:\t0000000000000000"  # none at all


class Answer(Struct, frozen=True):
    """One row of the table; `good` is whether it is what we want."""

    question: str
    answer: str
    good: bool = True


def until(true: Callable[[], object]) -> float:
    """Wait for something; returns the seconds it took. Raises TimeoutError."""
    began = time.monotonic()
    while not true():
        if time.monotonic() > began + WITHIN_S:
            raise TimeoutError
        time.sleep(0.25)
    return time.monotonic() - began


def call(path: str, body: object = None) -> Any:
    """Ask the published API, as admin."""
    head = {"Authorization": f"Bearer {given.TOKEN}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{given.PORT}/api/v1{path}", data, head)
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)


class Image:
    """The image by itself."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def answers(self) -> Iterator[Answer]:
        """Build it, run it, stop it."""
        began = time.monotonic()
        self._engine.docker("build", "-q", "-t", IMAGE, ROOT)
        yield Answer("does the Dockerfile build as written", f"yes, {time.monotonic() - began:.0f} s")
        yield self._size()
        name = self._engine.docker("run", "-d", *CONFINED, "-v", "alone:/data", IMAGE).strip()
        yield self._starts(name)
        yield self._compiled(name)
        cost_ms = float(self._engine.docker("exec", name, "python", "-c", CHECKED, "watchkeeper-health"))
        yield Answer("processor time of one health check", f"{cost_ms:.0f} ms", cost_ms < 200)
        yield stopped(self._engine, name, "the image alone")
        self._engine.docker("rm", "-v", name)
        self._engine.docker("volume", "rm", "alone")

    def _size(self) -> Answer:
        images = {tag: self._engine.get(f"/images/{tag}/json") for tag in (IMAGE, standins.base_of_the_image())}
        above = images[IMAGE]["Size"] - images[standins.base_of_the_image()]["Size"]
        labels = images[IMAGE]["Config"]["Labels"] or {}
        words = f"{above / 1e6:.0f} MB above its base; user {images[IMAGE]['Config']['User']}; {len(labels)} labels"
        return Answer("what it is", words, bool(labels) and images[IMAGE]["Config"]["User"] != "")

    def _starts(self, name: str) -> Answer:
        began = time.monotonic()
        until(lambda: "\nready " in self._engine.docker("logs", name))
        ready_s = time.monotonic() - began
        until(lambda: self._engine.inspect(name)["State"]["Health"]["Status"] == "healthy")
        words = f"ready after {ready_s:.1f} s, healthy after {time.monotonic() - began:.0f} s"
        return Answer("does it start alone, with a read-only root and no capabilities", words)

    def _compiled(self, name: str) -> Answer:
        modules, compiled = map(int, self._engine.docker("exec", name, "python", "-c", COMPILED).split())
        return Answer("modules with bytecode", f"{compiled} of {modules}", compiled > 0.98 * modules)


class Stack:
    """`compose.yaml` with every setting in `.env`."""

    def __init__(self, engine: Engine, project: Path) -> None:
        self._engine, self._project = engine, project
        project.mkdir(exist_ok=True)
        (project / "compose.yaml").write_text((ROOT / "compose.yaml").read_text())
        (project / "compose.override.yaml").write_text(given.OVERRIDE)
        (project / "api_secret_key").write_text("a secret key of the trial\n")
        (project / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in given.VALUES.items()))

    def answers(self) -> Iterator[Answer]:
        """Start it, look at it, leave it idle, stop it, start it again."""
        began = time.monotonic()
        self._engine.compose(self._project, "up", "-d")
        yield Answer("does `docker compose up -d` come back", f"yes, after {time.monotonic() - began:.1f} s")
        until(lambda: all(self._health(name) == "healthy" for name in SERVICES))
        restarts = sum(self._inspect(name)["RestartCount"] for name in SERVICES)
        words = f"all five, {time.monotonic() - began:.0f} s after `up`; {restarts} restarts"
        yield Answer("healthy", words, restarts == 0)
        yield from (self._settings(name) for name in OURS)
        yield self._secret()
        yield from self._confined()
        yield self._checks()
        yield from self._idle()
        for name in SERVICES:
            yield stopped(self._engine, self._container(name), name)
        began = time.monotonic()
        self._engine.compose(self._project, "up", "-d")
        until(lambda: all(self._health(name) == "healthy" for name in SERVICES))
        yield Answer("does it start again on its volumes", f"yes, healthy after {time.monotonic() - began:.0f} s")
        began = time.monotonic()
        self._engine.compose(self._project, "down", "-v")
        yield Answer("does `docker compose down` end it", f"yes, {time.monotonic() - began:.1f} s")

    def end(self) -> None:
        """Remove what is left of it."""
        self._engine.compose(self._project, "down", "-v", "-t", "1", check=False)

    def logs(self) -> str:
        """The last lines of everything, for who has to find out why."""
        return self._engine.compose(self._project, "logs", "--tail", "40", check=False)

    def _container(self, service: str) -> str:
        return f"trial-{service}-1"

    def _inspect(self, service: str) -> Any:
        return self._engine.inspect(self._container(service))

    def _health(self, service: str) -> str:
        return str(self._inspect(service)["State"].get("Health", {}).get("Status"))

    def _exec(self, service: str, *command: str, check: bool = True) -> str:
        return self._engine.docker("exec", self._container(service), *command, check=check)

    def _settings(self, service: str) -> Answer:
        found = dict(one.split("=", 1) for one in self._inspect(service)["Config"]["Env"])
        wanted = {name: value for name, value in given.VALUES.items() if name not in given.INSIDE}
        lost = sorted(name for name, value in wanted.items() if found.get(name) != value)
        words = f"{len(wanted) - len(lost)} of {len(wanted)}" + (f", not {', '.join(lost)}" if lost else "")
        return Answer(f"settings of .env that reach {service}", words, not lost)

    def _secret(self) -> Answer:
        files = self._exec("api", "ls", "/data").split()
        made = "secret.key" in files
        words = "no" if made else "yes: all three run with it, and none made a key of its own"
        return Answer("is a secret read from its file", words, not made)

    def _confined(self) -> Iterator[Answer]:
        for name in SERVICES:
            options = self._inspect(name)["HostConfig"]
            restricted = options["ReadonlyRootfs"] and options["SecurityOpt"] == ["no-new-privileges:true"]
            wrote = "yes" in self._exec(name, "sh", "-c", "touch /written && echo yes", check=False)
            listed = self._engine.docker("top", self._container(name), "-eo", "pid,uid,comm").splitlines()[1:]
            users = sorted({line.split()[1] for line in listed})
            mine = self._exec(name, "sh", "-c", "cat /proc/[0-9]*/status | grep CapEff | sort -u", check=False)
            words = f"{'writes to its root' if wrote else 'read-only root'}, runs as {', '.join(users)}"
            powers = "" if name not in OURS else ", no capabilities" if CAPABILITIES in mine else ", with capabilities"
            good = restricted and not wrote and "0" not in users and "with" not in powers
            yield Answer(f"how {name} is confined", words + powers, good)

    def _checks(self) -> Answer:
        targets = {
            "http": {"url": "http://api:8034/api/v1/health"},
            "tcp": {"host": "postgres", "port": 5432},
            "ping": {"host": "redis"},
        }
        made = {
            kind: call("/monitors", {"name": kind, "type": kind, "interval": 60, "config": config})["id"]
            for kind, config in targets.items()
        }
        took_s = until(lambda: all(call(f"/monitors/{one}")["status"] == 1 for one in made.values()))
        return Answer("do monitors work", f"{', '.join(made)} up after {took_s:.1f} s")

    def _idle(self) -> Iterator[Answer]:
        time.sleep(10)  # the requests above are done
        before = {name: self._engine.cpu_s(self._container(name)) for name in SERVICES}
        began = time.monotonic()
        time.sleep(IDLE_S)
        cores = {name: self._engine.cpu_s(self._container(name)) - before[name] for name in SERVICES}
        cores = {name: used / (time.monotonic() - began) for name, used in cores.items()}
        total = sum(cores.values())
        parts = ", ".join(f"{name} {used:.4f}" for name, used in cores.items())
        yield Answer(
            f"idle for {IDLE_S:.0f} s, health checks included", f"{total:.3f} core ({parts})", total <= IDLE_CORE
        )


def stopped(engine: Engine, container: str, name: str) -> Answer:
    """Stop a container with its own grace; returns how long it took and how it ended."""
    began = time.monotonic()
    engine.docker("stop", "-t", "60", container)
    took_s, code = time.monotonic() - began, engine.inspect(container)["State"]["ExitCode"]
    return Answer(f"stop {name}", f"{took_s:.1f} s, exit code {code}", took_s <= STOP_S and code == 0)
