"""A target with invalid bytes is down or unknown; real processes go on recording all others."""

import asyncio
import signal
import subprocess
import sys
from itertools import dropwhile

import pytest

from app import clock, db, due_set
from app.store.transactions import monitors
from schema.heartbeats import slot_of_key
from schema.status import Status
from schema.targets import Redis, Tcp
from tests import make
from tests.actors.probes.scripted_server import replying, saying, talking
from tests.pipeline.conftest import ROOT
from tests.pipeline.waiting import until

pytestmark = [pytest.mark.timeout(150)]

HEADER = b"HTTP/1.1 500 Internal Server Error\r\nX-Served-By: caf\xe9\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
UP = Status.UP
NUMBERED = b"HTTP/1.1 020 Go\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"  # 20: our own "a job has started"
NUL = b"-ERR a\x00b\r\n"


async def added(*targets) -> list[int]:
    """Monitors every five seconds; their series."""
    await due_set.mark_built()
    plans = []
    for number, target in enumerate(targets):
        plans += (await monitors.create(make.monitor(target, name=f"m{number}", interval=5))).schedules
    await due_set.put_series(plans, first_at_ms=clock.now_ms())
    return [plan.series for plan in plans]


async def recorded_statuses(series: int) -> list[Status]:
    """What is recorded of a series."""
    found = await db.rows("SELECT id, status FROM heartbeats ORDER BY id")
    return [Status(row["status"]) for row in found if slot_of_key(row["id"])[0] == series]


def after_start(statuses: list[Status]) -> list[Status]:
    """What was seen once the processes ran: the slots before are recorded as unknown."""
    return list(dropwhile(lambda one: one is Status.UNKNOWN, statuses))


async def test_invalid_bytes_do_not_block_healthy_monitors(prepared_settings, spawn):
    async with (
        talking(replying(HEADER)) as header,
        talking(replying(NUMBERED)) as numbered,
        talking(replying(NUL)) as nul,
        talking(saying(b"hello\r\n")) as well,
    ):
        odd = [
            make.http(url=f"http://127.0.0.1:{header}/"),
            make.http(url=f"http://127.0.0.1:{numbered}/"),
            Redis(connection_string=f"redis://127.0.0.1:{nul}"),
        ]
        *bad, good = await added(*odd, Tcp(host="127.0.0.1", port=well))
        spawn("schedule")
        worker = spawn("work")

        async def recorded() -> bool:
            return (await recorded_statuses(good)).count(UP) >= 3 and all(
                [len(after_start(await recorded_statuses(one))) >= 3 for one in bad]
            )

        await until(recorded)
        assert set(after_start(await recorded_statuses(good))) == {UP}
        assert [set(after_start(await recorded_statuses(one))) for one in bad] == [{Status.DOWN}] * 3
        worker.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(worker.wait, 60) == 0


BROKEN = """
import os, sys
from actors import worker; from actors import result_backlog
from app import settings
async def report(*_): raise ValueError("a bug of ours")
result_backlog.report = report
sys.exit(worker.run(settings.read_settings(os.environ, None)))
"""


async def test_a_worker_ends_when_a_part_of_it_has_ended(environ, prepared_settings):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", BROKEN, env={**environ, "PATH": ""}, cwd=ROOT, stdout=subprocess.DEVNULL
    )
    assert await asyncio.wait_for(process.wait(), 60) == 1
