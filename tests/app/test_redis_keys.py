"""Keys of a wrong type are removed, and what they held comes back from the database."""

import asyncio
import re
from pathlib import Path

import pytest

from actors.reconcile import Reconciler
from actors.schedule import Ticker, run_forever
from app import clock, due_set, queue as queues, redis_keys, tasks
from app.redis_keys import DUE_SET_TYPES, KEY_TYPES, PREFIX_TYPES
from app.security.secrets import sealing
from app.store.transactions import monitors
from schema.jobs import MonitorSchedule
from tests import make
from tests.pipeline.waiting import until

ROOT = Path(__file__).parents[2]
NAMES = re.compile(r"[\"'](wk:[a-z:_]+)")


@pytest.fixture
async def plan(store, queue):
    """A monitor that is due every minute, and a whole due set."""
    sealing.prepare(store)
    changed = await monitors.create(make.monitor(interval=60))
    await Reconciler().rebuild()
    return changed.schedules[0]


def test_every_key_that_we_use_has_a_type():
    code = [path for room in ("app", "actors", "schema") for path in (ROOT / room).rglob("*.*") if _is_code(path)]
    texts = [path.read_text() for path in code]
    used = {name for text in texts for name in NAMES.findall(text)}
    known = (*KEY_TYPES, *PREFIX_TYPES, "wk:q", "wk:cache:", "wk:live:")
    assert {name for name in used if not name.startswith(known)} <= {"wk:due:"}


def _is_code(path: Path) -> bool:
    return path.suffix in {".py", ".lua"} and path.name != "redis_types.py"


@pytest.mark.parametrize("key", sorted(KEY_TYPES))
async def test_a_key_of_a_wrong_type_is_removed_and_the_schedule_goes_on(plan, key):
    client = queues.client()
    await client.delete(key)
    await (client.set(key, "x") if KEY_TYPES[key] != "string" else client.rpush(key, "x"))
    repairs = Reconciler()
    assert await redis_keys.remove_mistyped() == [key]
    await Ticker(repairs).tick()
    await repairs.reconcile()
    await due_set.put_series([plan], first_at_ms=clock.now_ms())
    assert [slot.series for slot in (await due_set.claim_due(10)).slots] == [plan.series]
    assert await redis_keys.remove_mistyped() == []


@pytest.mark.parametrize("prefix", sorted(PREFIX_TYPES))
async def test_a_named_key_of_a_wrong_type_is_removed(queue, prefix):
    client, key = queues.client(), f"{prefix}x"
    await (client.set(key, "x") if PREFIX_TYPES[prefix] != "string" else client.rpush(key, "x"))
    assert await redis_keys.remove_mistyped_by_prefix() == [key]
    assert not await client.exists(key)


@pytest.mark.parametrize("key", sorted(DUE_SET_TYPES))
async def test_the_tick_goes_on_by_itself(plan, key):
    client = queues.client()
    await client.delete(key)
    await (client.set(key, "x") if KEY_TYPES[key] != "string" else client.rpush(key, "x"))
    repairs = Reconciler()
    ticking = [
        asyncio.create_task(run_forever("tick", Ticker(repairs).step, 0)),
        asyncio.create_task(run_forever("types", repairs.remove_wrong_types, 0.2)),
    ]
    try:
        await until(lambda: _is_whole(plan, key), 30)
    finally:
        await tasks.cancel(*ticking)


async def _is_whole(plan: MonitorSchedule, key: str) -> bool:
    client = queues.client()
    if await client.type(key) not in (KEY_TYPES[key].encode(), b"none") or not await client.exists("wk:built"):
        return False
    return plan.series in await due_set.list_scheduled() and await due_set.count_unscheduled() == 0
