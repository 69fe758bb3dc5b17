"""R13: hostile targets of every protocol beside healthy monitors. No healthy slot is lost or late; no process ends."""

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from app import db
from app.domain.schedule import slots
from bench import processes, programs, record
from bench.faults.api_user import ApiUser
from bench.faults.background import beside
from bench.faults.hostile import healthy, judgement
from bench.faults.hostile.judgement import Beat, Memory, Punctuality, TargetsReport
from bench.faults.hostile.kinds import KINDS
from bench.faults.options import Options
from bench.installation import Installation, fresh_installation
from bench.processes import Process
from bench.programs import ControlledProgram
from bench.target import Log
from schema.heartbeats import slot_of_key
from schema.status import Status

INTERVAL_S = 5
HOSTILE = {"interval": 20, "timeout": 4.0, "max_retries": 0, "notification_channel_ids": []}
HEALTHY = {"interval": INTERVAL_S, "max_retries": 0, "notification_channel_ids": []}
FIRST_S = 60.0  # until every healthy monitor was checked once
SETTLE_S = 2 * INTERVAL_S  # until what was due last is stored
WARM_SHARE, WARM_S = 0.6, 60.0  # of the run, and at most: libraries are loaded, caches are filled
GROWTH_BYTES = 24_000_000  # what an allocator may keep of what came and went
PUSH_S, LOOK_S = 2.0, 2.0
ADDED_S = 0.03
AT_ONCE = 8
STAYING = ("api", "scheduler", "worker")
OUT = programs.ROOT / "bench" / "out"
_BEATS = (
    "SELECT h.id, h.status, h.code, d.message, m.name FROM heartbeats h JOIN series s ON s.no = h.id >> 41"
    " JOIN monitors m ON m.id = s.monitor_id LEFT JOIN heartbeat_details d ON d.id = h.id ORDER BY h.id"
)
_SERIES = "SELECT s.no, m.name FROM series s JOIN monitors m ON m.id = s.monitor_id WHERE m.name LIKE 'h-%'"


class Stage:
    """The product, those who are healthy and those who are not."""

    def __init__(self, product: Installation, good: ControlledProgram, bad: ControlledProgram) -> None:
        self.installation, self.good, self.bad = product, good, bad
        self.pushes: list[str] = []
        self.names: dict[str, str] = {}
        self.refused: list[str] = []
        self.memory: list[tuple[float, int]] = []

    async def begin(self) -> None:
        """Start the product and add the healthy monitors, until each was checked."""
        await self.installation.start()
        await self.installation.register()
        ports = {int(n): port for n, port in msgspec.json.decode(await self.good.get("/ports")).items()}
        await _each([self._add(draft) for draft in _healthy(self.good, ports)])
        await self._push_once()
        until = time.monotonic() + FIRST_S
        wanted = set(range(healthy.PUSH.start))
        while not wanted <= set((await self.log()).numbers):
            if time.monotonic() > until:
                raise RuntimeError("not every healthy monitor was checked at the start")
            await asyncio.sleep(0.5)

    async def _add(self, draft: dict[str, Any]) -> None:
        made = await self.installation.post("/monitors", draft)
        if draft["type"] == "push":
            self.pushes.append(made["config"]["token"])

    async def add_hostile(self, only: str) -> None:
        """Add a monitor for each kind that has this in its name."""
        ports = msgspec.json.decode(await self.bad.get("/ports"), type=list[int])
        for number, port in enumerate(ports):
            if only in KINDS[number].name:
                await self._add_hostile(number, port)
                await asyncio.sleep(ADDED_S)  # hostile, not many: how many checks fit is another question

    async def _add_hostile(self, number: int, port: int) -> None:
        kind, name = KINDS[number], f"x-{number}"
        draft = {"name": name, "type": kind.type, "config": kind.config(port), **HOSTILE}
        status, reply = await self.installation.call("POST", "/monitors", draft)
        if status == 422 and kind.refused:
            self.refused.append(kind.name)
        elif status >= 300:
            raise RuntimeError(f"{kind.name}: {status} {reply}")
        else:
            self.names[name] = kind.name

    async def log(self) -> Log:
        """When healthy targets were checked."""
        return msgspec.json.decode(await self.good.get("/log"), type=Log)

    async def push(self) -> None:
        """Report for every push monitor, again and again."""
        while True:
            await self._push_once()
            await asyncio.sleep(PUSH_S)

    async def _push_once(self) -> None:
        await asyncio.gather(*(self.installation.call("GET", f"/push/{token}") for token in self.pushes))

    async def watch(self) -> None:
        """Look at the worker's memory, again and again."""
        while True:
            workers = [one for one in await asyncio.to_thread(self.installation.family) if one.role == "worker"]
            self.memory.append((time.monotonic(), (await asyncio.to_thread(processes.cost, workers)).pss_bytes))
            await asyncio.sleep(LOOK_S)

    def staying(self) -> dict[int, Process]:
        """The processes that must not be started anew."""
        return {one.pid: one for one in self.installation.family() if one.role in STAYING}

    async def save(self, beats: Mapping[str, Sequence[Beat]]) -> Path:
        """Copy the product's logs and its stored results to bench/out/, for analysis."""
        folder = OUT / time.strftime("targets-%Y%m%d-%H%M%S")
        folder.mkdir(parents=True, exist_ok=True)
        named = {self.names.get(name, name): found for name, found in beats.items()}
        (folder / "beats.json").write_bytes(msgspec.json.encode(named))
        for path in _logs(self.installation):
            shutil.copy(path, folder)
        return folder


async def run(options: Options) -> TargetsReport:
    """So many seconds beside hostile targets."""
    async with _stage(options.environ) as stage:
        await stage.begin()
        before = stage.staying()
        begin_ms, began = int(time.time() * 1000), time.monotonic()
        pushing, watching = beside(stage.push(), "push"), beside(stage.watch(), "watch")
        async with pushing, watching, ApiUser(stage.installation) as api_user:
            await stage.add_hostile(options.only)
            await asyncio.sleep(max(0.0, began + options.outage_s - time.monotonic()))
            end_ms = int(time.time() * 1000)
            await asyncio.sleep(SETTLE_S)
        gone = [f"{one.role} {pid} is gone" for pid, one in before.items() if pid not in stage.staying()]
        return await _report(stage, options, (begin_ms, end_ms), gone + api_user.troubles(), [api_user.note()])


async def _report(
    stage: Stage, options: Options, window_ms: tuple[int, int], troubles: list[str], notes: list[str]
) -> TargetsReport:
    beats, series = await _record(stage)
    memory = _memory(stage.memory, options.outage_s)
    results = {name: beats.get(name, []) for name in stage.names}
    for name, found in results.items():
        troubles += judgement.unseen(stage.names[name], found) + judgement.objections(stage.names[name], found)
    troubles += memory.troubles(GROWTH_BYTES) + _tracebacks(stage.installation)
    report = TargetsReport(
        name=f"R13, hostile targets on {'PostgreSQL' if options.cluster else 'SQLite'}",
        healthy=_punctualities(beats, series, await stage.log(), window_ms),
        hostile=len(results),
        results=sum(len(found) for found in results.values()),
        troubles=troubles,
        notes=[
            *notes,
            _format_memory(memory),
            _ends(results),
            *(f"refused by the API: {name}" for name in stage.refused),
        ],
    )
    if not report.holds:
        report.notes.append(f"the logs are in {await stage.save(beats)}")
    return report


async def _record(stage: Stage) -> tuple[dict[str, list[Beat]], dict[str, int]]:
    """Every heartbeat by the name of its monitor, and the series of the healthy ones."""
    beats: dict[str, list[Beat]] = {}
    async with record.record(stage.installation):
        for row in await db.rows(_BEATS):
            beat = Beat(slot_of_key(row["id"])[1], Status(row["status"]), row["code"], row["message"] or "")
            beats.setdefault(row["name"], []).append(beat)
        return beats, {row["name"]: row["no"] for row in await db.rows(_SERIES)}


def _punctualities(
    beats: Mapping[str, Sequence[Beat]], series: Mapping[str, int], log: Log, window_ms: tuple[int, int]
) -> list[Punctuality]:
    arrivals: dict[str, list[float]] = {}
    for number, at_ms in zip(log.numbers, log.at_ms, strict=True):
        arrivals.setdefault(f"h-{number}", []).append(at_ms)
    pushes = {f"h-{number}" for number in healthy.PUSH}
    return [
        judgement.punctuality(
            name,
            slots.slots_between(no, INTERVAL_S * 1000, *window_ms),
            {beat.at_ms: beat for beat in beats.get(name, ())},
            None if name in pushes else arrivals.get(name, []),
            INTERVAL_S * 1000,
        )
        for name, no in series.items()
    ]


def _memory(looks: Sequence[tuple[float, int]], length_s: float) -> Memory:
    warm_at = looks[0][0] + min(WARM_S, WARM_SHARE * length_s)
    warm = [bytes_ for at, bytes_ in looks if at >= warm_at] or [looks[-1][1]]
    return Memory(warm[0], max(bytes_ for _, bytes_ in looks), warm[-1])


def _format_memory(memory: Memory) -> str:
    figures = (f"{name} {bytes_ / 1e6:.0f} MB" for name, bytes_ in msgspec.structs.asdict(memory).items())
    return f"memory of the worker: {', '.join(figures)}"


def _ends(results: Mapping[str, Sequence[Beat]]) -> str:
    """How hostile targets ended."""
    ends = Counter(found[-1].status.name.lower() for found in results.values() if found)
    return f"hostile targets ended as {', '.join(f'{status} ({n})' for status, n in ends.most_common())}"


def _logs(product: Installation) -> list[Path]:
    paths = (product.log, *(Path(product.environ["DATA_DIR"]) / "logs").glob("*.log"))
    return [path for path in paths if path.exists()]


def _tracebacks(product: Installation) -> list[str]:
    """Internal errors in the log."""
    found = []
    for path in _logs(product):
        text = path.read_text(errors="replace")
        if count := text.count("Traceback (most recent call last)"):
            last = text.rpartition("Traceback (most recent call last)")[2][:2_000]
            found.append(f"{count} tracebacks in {path.name}, the last: …{last[-300:]!r}")
    return found


def _healthy(good: ControlledProgram, ports: Mapping[int, int]) -> list[dict[str, Any]]:
    """Drafts of the healthy monitors."""
    here: dict[str, Any] = {"host": healthy.HOST}
    kinds: list[tuple[str, range, Any]] = [
        ("http", healthy.HTTP, lambda n: {"url": good.url(f"/t/{n}")}),
        ("tcp", healthy.TCP, lambda n: {**here, "port": ports[n]}),
        ("redis", healthy.REDIS, lambda n: {**here, "port": ports[n]}),
        ("dns", healthy.DNS, lambda n: {"host": healthy.name_of(n), "resolver_server": healthy.HOST, "port": ports[n]}),
        ("push", healthy.PUSH, lambda _: {}),
    ]
    return [
        {"name": f"h-{n}", "type": type_, "config": config(n), **HEALTHY}
        for type_, numbers, config in kinds
        for n in numbers
    ]


async def _each(work: Sequence[Any]) -> None:
    """All of it, a few at a time."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(task: Any) -> None:
        async with room:
            await task

    async with asyncio.TaskGroup() as group:
        for task in work:
            group.create_task(one(task))


@asynccontextmanager
async def _stage(environ: Mapping[str, str]) -> AsyncIterator[Stage]:
    async with (
        programs.controlled("bench.faults.hostile.healthy") as good,
        programs.controlled("bench.faults.hostile.serve") as bad,
        fresh_installation(environ) as product,
    ):
        yield Stage(product, good, bad)
