"""Keys of a wrong type are removed, and what they held comes back from the database."""

import asyncio
import re
from pathlib import Path

import pytest

from actors.reconcile import Repairs
from actors.schedule import Ticker, steadily
from app import due_set, queue as queues, redis_keys, tasks
from app.redis_keys import DUE_SET, PREFIXES, TYPES
from app.security.secrets import sealing
from app.store.transactions import monitors
from schema.jobs import Plan
from tests import make
from tests.pipeline.waiting import until

ROOT = Path(__file__).parents[2]
NAMES = re.compile(r"[\"'](wk:[a-z:_]+)")


@pytest.fixture
async def plan(store, queue):
    """A monitor that is due every minute, and a whole due set."""
    sealing.prepare(store)
    changed = await monitors.add(make.monitor(interval=60))
    await Repairs().rebuild()
    return changed.plans[0]


def test_every_key_that_we_use_has_a_type():
    code = [path for room in ("app", "actors", "schema") for path in (ROOT / room).rglob("*.*") if _is_code(path)]
    texts = [path.read_text() for path in code]
    used = {name for text in texts for name in NAMES.findall(text)}
    known = (*TYPES, *PREFIXES, "wk:q", "wk:cache:", "wk:live:")
    assert {name for name in used if not name.startswith(known)} <= {"wk:due:"}


def _is_code(path: Path) -> bool:
    return path.suffix in {".py", ".lua"} and path.name != "redis_types.py"


@pytest.mark.parametrize("key", sorted(TYPES))
async def test_a_key_of_a_wrong_type_is_removed_and_the_schedule_goes_on(plan, key):
    client = queues.client()
    await client.delete(key)
    await (client.set(key, "x") if TYPES[key] != "string" else client.rpush(key, "x"))
    repairs = Repairs()
    assert await redis_keys.remove_wrong() == [key]
    await Ticker(repairs).tick()
    await repairs.reconcile()
    await due_set.put([plan], first_at_ms=due_set.now_ms())
    assert [slot.series for slot in (await due_set.claim(10)).slots] == [plan.series]
    assert await redis_keys.remove_wrong() == []


@pytest.mark.parametrize("prefix", sorted(PREFIXES))
async def test_a_named_key_of_a_wrong_type_is_removed(queue, prefix):
    client, key = queues.client(), f"{prefix}x"
    await (client.set(key, "x") if PREFIXES[prefix] != "string" else client.rpush(key, "x"))
    assert await redis_keys.remove_wrong_named() == [key]
    assert not await client.exists(key)


@pytest.mark.parametrize("key", sorted(DUE_SET))
async def test_the_tick_goes_on_by_itself(plan, key):
    client = queues.client()
    await client.delete(key)
    await (client.set(key, "x") if TYPES[key] != "string" else client.rpush(key, "x"))
    repairs = Repairs()
    ticking = [
        asyncio.create_task(steadily("tick", Ticker(repairs).step, 0)),
        asyncio.create_task(steadily("types", repairs.types, 0.2)),
    ]
    try:
        await until(lambda: _is_whole(plan, key), 30)
    finally:
        await tasks.end(*ticking)


async def _is_whole(plan: Plan, key: str) -> bool:
    client = queues.client()
    if await client.type(key) not in (TYPES[key].encode(), b"none") or not await due_set.is_built():
        return False
    return plan.series in await due_set.planned() and await due_set.unscheduled() == 0
