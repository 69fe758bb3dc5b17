"""The product says of itself what is wrong, once, and when it is over; whoever looks, and however often it restarts."""

from dataclasses import replace

import msgspec
import pytest

from actors import cutoff
from actors.selfwatch import SelfWatch
from app import db, due, nodes, queue as queues
from app.domain.troubles import LOOKS
from app.security import sealing
from app.settings import Settings
from app.store import monitors
from tests import make


@pytest.fixture
async def ground(store: Settings, queue: Settings) -> Settings:
    sealing.prepare(store)
    await due.built()
    return store


async def has_worker(*names: str) -> None:
    for name in names or ("one",):
        node = nodes.Node(id=name, role="worker", pid=1, host="h", started_at=nodes.this("worker").started_at)
        await queues.client().set(nodes.KEY + name, msgspec.json.encode(node), ex=60)


async def look(*watches: SelfWatch, times: int = LOOKS) -> None:
    for _ in range(times):
        for one in watches:
            await one.look()


async def told() -> list[tuple[str, str]]:
    rows = await db.rows("SELECT kind, data FROM events WHERE kind LIKE 'system.%' ORDER BY at_ms, id")
    return [(row["kind"], msgspec.json.decode(row["data"])["what"]) for row in rows]


async def test_all_is_well(ground):
    await has_worker()
    await look(SelfWatch(ground))
    assert await told() == []


async def test_a_missing_worker_is_told_once_and_its_return_too(ground):
    watch = SelfWatch(ground)
    await look(watch, times=5)
    assert await told() == [("system.no_worker", "no_worker")]
    await has_worker()
    await look(watch, times=5)
    assert await told() == [("system.no_worker", "no_worker"), ("system.recovered", "no_worker")]


async def test_two_who_look_tell_once(ground):
    await look(SelfWatch(ground), SelfWatch(ground), times=4)
    assert await told() == [("system.no_worker", "no_worker")]


async def test_a_restart_tells_nothing_again_and_forgets_nothing(ground):
    await look(SelfWatch(ground))
    await look(SelfWatch(ground))
    assert await told() == [("system.no_worker", "no_worker")]
    await has_worker()
    await look(SelfWatch(ground))
    (recovered,) = await db.rows("SELECT data FROM events WHERE kind = 'system.recovered'")
    assert msgspec.json.decode(recovered["data"])["duration"] >= 0


async def test_the_second_time_is_told_as_well(ground):
    watch = SelfWatch(ground)
    for _ in range(2):
        await look(watch)
        await has_worker()
        await look(watch)
        await queues.client().flushall()
        await due.built()
    assert [kind for kind, _ in await told()] == ["system.no_worker", "system.recovered"] * 2


async def test_a_schedule_that_lags_is_told(ground):
    await has_worker()
    plan = (await monitors.add(make.monitor())).plans[0]
    await due.put([plan], first_at_ms=due.now_ms() - 300_000)
    await look(SelfWatch(ground))
    assert await told() == [("system.schedule_lag", "schedule_lag")]


async def test_workers_without_a_way_out_are_named(ground):
    await has_worker("north", "south")
    await cutoff.say("north", cut_off=True)
    await look(SelfWatch(ground))
    (row,) = await db.rows("SELECT data FROM events WHERE kind = 'system.network_gone'")
    assert "north" in msgspec.json.decode(row["data"])["msg"]


async def test_who_has_a_way_out_again_or_is_gone_is_not_named(ground):
    await cutoff.say("north", cut_off=True)
    await cutoff.say("north", cut_off=False)
    await queues.client().hset(cutoff.KEY, "long-gone", 1)
    assert await cutoff.workers() == []
    assert await queues.client().hlen(cutoff.KEY) == 0


async def test_a_data_directory_that_nobody_made_yet_is_no_trouble(ground, tmp_path):
    await has_worker()
    await look(SelfWatch(replace(ground, db_type="postgres", data_dir=tmp_path / "not" / "yet")))
    assert await told() == []
