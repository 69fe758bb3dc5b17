"""How many of our files and functions a request and an alert pass: a newcomer has to read them all.

Each walk runs once before it is counted, so that caches are warm. Functions are counted once each; comprehensions,
lambdas and generator expressions are part of the function around them. The limits leave room for what depends on
timing, such as a batch that waits for more.
"""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from actors import senders
from actors.check import CheckRunner
from actors.ingest import ResultWriter
from actors.notify import Notifier
from actors.probes import open_probe_context
from actors.reconcile import Reconciler
from actors.schedule import Ticker
from actors.snapshots import Snapshots
from app import db, due_set, queue, sqlite_engine, tasks
from app.security.secrets import sealing
from app.settings import Settings
from app.store.alerting import channels
from app.store.transactions import monitors
from schema.jobs import CheckBatch, NotifyBatch, ResultBatch
from tests import make
from tests.app.api.running_app import Client, Headers
from tests.receiver import receiving

ROOT = Path(__file__).parents[3]
OURS = tuple(f"{ROOT / folder}/" for folder in ("app", "actors", "schema"))
BESIDE = {  # tasks of the API that wake whatever is requested
    *("clock", "clock.publish", "guesses", "key_uses", "metrics", "node", "signing_keys"),
    *("live.inflows", "live.pings", "live.watch"),
}


class Walk:
    """The code that ran."""

    def __init__(self) -> None:
        self.codes: set[CodeType] = set()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Note every function of ours that runs meanwhile, in this thread and in new ones."""

        def note(frame: FrameType, event: str, _argument: Any) -> None:
            code = frame.f_code
            is_ours = code.co_filename.startswith(OURS) and not code.co_name.startswith("<")
            if event == "call" and is_ours and _task_name() not in BESIDE:
                self.codes.add(code)

        sys.setprofile(note)
        threading.setprofile(note)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    def counts(self) -> tuple[int, int]:
        """(files, functions)."""
        return len({code.co_filename for code in self.codes}), len(self.codes)

    def is_within(self, files: int, functions: int) -> bool:
        """Whether it passes at most so many files and functions."""
        n_files, n_functions = self.counts()
        return n_files <= files and n_functions <= functions

    def report(self) -> str:
        """The counts, and every file with its functions."""
        by_file: dict[str, list[str]] = {}
        for code in self.codes:
            by_file.setdefault(str(Path(code.co_filename).relative_to(ROOT)), []).append(code.co_qualname)
        lines = (f"{name}: {', '.join(sorted(names))}" for name, names in sorted(by_file.items()))
        return "\n".join([str(self.counts()), *lines])


def _task_name() -> str:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # another thread
        return ""
    return task.get_name() if task else ""


async def _alert(pump: "Pump", url: str) -> None:
    """A new monitor fails its first check, and its webhook is notified."""
    channel = await channels.create(make.channel(make.webhook(url=url)))
    changed = await monitors.create(make.monitor(notification_channel_ids=[channel.id]))
    await due_set.mark_built()
    await due_set.put_series(changed.schedules, first_at_ms=1)


class Pump:
    """The stages in one process; jobs are handed on here, and put on the queue as well."""

    def __init__(self, checks: CheckRunner, results: ResultWriter, notifier: Notifier) -> None:
        self._stages: dict[type, Callable[[Any], Awaitable[None]]] = {
            CheckBatch: checks.admit,
            ResultBatch: results.ingest,
            NotifyBatch: notifier.admit,
        }
        self._jobs: asyncio.Queue[Any] = asyncio.Queue()
        self._put = queue.put

    async def put(self, *jobs: Any) -> None:
        await self._put(*jobs)
        for job in jobs:
            self._jobs.put_nowait(job)

    async def run(self) -> None:
        while True:
            job = await self._jobs.get()
            await self._stages[type(job)](job)


@pytest.fixture
async def pump(store: Settings, queue: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pump]:
    sealing.prepare(store)
    await _open_all_connections()
    probes, sending, snapshots = await open_probe_context(store), senders.make_context(), Snapshots()
    checks, notifier = CheckRunner(probes, snapshots, 10), Notifier(sending, "https://watch.example")
    checks.start()
    pump = Pump(checks, ResultWriter(snapshots), notifier)
    monkeypatch.setattr("app.queue.put", pump.put)
    running = asyncio.create_task(pump.run())
    yield pump
    await tasks.cancel(running)
    await checks.close(5)
    await notifier.close(5)
    await sending.close()
    await probes.close()


async def test_an_alert(pump: Pump) -> None:
    async with receiving() as receiver:
        ticker, walk = Ticker(Reconciler()), Walk()
        for number in (1, 2):
            await _alert(pump, receiver.url)
            with walk.watching() if number == 2 else nullcontext():
                await ticker.tick()
                async with asyncio.timeout(20):
                    while len(receiver.arrivals) < number or await _open_deliveries():
                        await asyncio.sleep(0.01)
    assert walk.is_within(77, 338), walk.report()


async def _open_all_connections() -> None:
    """Opening another one is part of no path: it depends on which transactions happen to overlap."""
    await asyncio.gather(*(db.rows("SELECT 1 AS one") for _ in range(sqlite_engine.CONNECTIONS)))


async def _open_deliveries() -> bool:
    return bool(await db.rows("SELECT 1 AS one FROM deliveries WHERE state <> 'sent'"))


async def test_a_patch(client: Client, admin: Headers) -> None:
    monitor = (await client.post("/api/v1/monitors", json=make.monitor_json(), headers=admin)).json()
    await _open_all_connections()
    walk = Walk()
    for name in ("warm", "counted"):
        with walk.watching() if name == "counted" else nullcontext():
            response = await client.patch(f"/api/v1/monitors/{monitor['id']}", json={"name": name}, headers=admin)
        assert response.status_code == 200
    assert walk.is_within(50, 177), walk.report()
