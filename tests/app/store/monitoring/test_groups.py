"""Stored members of groups: their order, and which are refused."""

import pytest

from app import db
from app.errors import Invalid
from app.security.secrets import sealing
from app.store.monitoring import groups
from app.store.transactions import monitors
from schema.monitors import MonitorPatch
from schema.status import Status
from schema.targets import Group
from tests import make

UNKNOWN_ID = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(autouse=True)
def sealed(store):
    sealing.prepare(store)


async def web(**changes) -> str:
    return (await monitors.create(make.monitor(**changes))).monitor.id


async def group(*ids: str) -> str:
    return (await monitors.create(make.monitor(Group(members=list(ids))))).monitor.id


async def change(id_: str, *ids: str) -> None:
    await monitors.update(id_, MonitorPatch(config={"members": list(ids)}))


async def field_errors(act) -> list[str]:
    with pytest.raises(Invalid) as error:
        await act
    return [one.field for one in error.value.fields]


async def test_members_count_as_they_stand_without_the_paused_and_the_deleted():
    up, paused, gone = await web(), await web(active=False), await web()
    await db.rows("UPDATE series SET status = 1")
    await monitors.delete(gone)
    assert await groups.member_statuses([up, paused, gone]) == [Status.UP]


async def test_a_member_that_does_not_exist_is_refused_and_nothing_is_stored():
    one = await web()
    assert await field_errors(group(one, UNKNOWN_ID)) == ["config.members.1"]
    assert len((await monitors.list_page(monitors.MonitorQuery(type="group")))[0]) == 0


async def members_of(id_: str) -> list[str]:
    config = (await monitors.get(id_)).config
    assert isinstance(config, Group)
    return config.members


async def test_members_keep_their_order_and_count_once():
    ids = [await web() for _ in range(3)]
    id_ = await group(ids[2], ids[0], ids[2], ids[1])
    assert await members_of(id_) == [ids[2], ids[0], ids[1]]
    await change(id_, ids[1], ids[2])
    assert await members_of(id_) == [ids[1], ids[2]]


async def test_a_deleted_member_leaves_its_groups_and_an_empty_group_can_be_read():
    one, other = await web(), await web()
    id_ = await group(one, other)
    await monitors.delete(other)
    assert await members_of(id_) == [one]
    assert await field_errors(change(id_, one, other)) == ["config.members.1"]
    await monitors.delete(one)
    assert await members_of(id_) == []
    await monitors.update(id_, MonitorPatch(name="Empty"))
    (snapshot,) = [one for one in await monitors.list_snapshots([1, 2, 3]) if one.monitor_id == id_]
    assert snapshot.target == Group(members=[])


async def test_a_deleted_group_leaves_its_members():
    one = await web()
    await monitors.delete(await group(one))
    assert await db.rows("SELECT group_id FROM group_members") == []
    assert (await monitors.get(one)).id == one


async def test_a_group_within_itself_is_refused_at_any_depth():
    one = await web()
    inner = await group(one)
    outer = await group(inner)
    assert await field_errors(change(inner, one, inner)) == ["config.members.1"]
    assert await field_errors(change(inner, one, outer)) == ["config.members.1"]
    await change(outer, inner, one)
