"""A worker's doors follow what admins set."""

import asyncio

import pytest

from actors import probes, senders
from actors.egress_reload import Policies
from app.security.network.egress import Egress, Refused
from app.security.network.resolver import Names
from app.store.system import settings
from schema.settings import CATALOGUE, SettingPatch


@pytest.fixture
def door():
    names = Names()
    yield Egress(names)
    names.close()


async def test_every_use_of_the_network_has_its_door(database):
    watching, telling = await probes.open_tools(database), await senders.open_tools(database)
    doors = watching.doors() | telling.doors()
    assert set(doors) == {key for key in CATALOGUE if key.startswith("egress.")}
    assert len({id(one) for one in doors.values()}) == len(doors)
    await watching.close()
    await telling.close()


async def test_a_policy_that_is_set_holds_from_then_on(store, door):
    policies = Policies({"egress.checks": door})
    await policies.load()
    door.check("10.0.0.1")
    await settings.put("egress.checks", SettingPatch(value={"deny": ["10.0.0.0/8"]}))
    await policies.load()
    with pytest.raises(Refused, match="denied"):
        door.check("10.0.0.1")


async def test_a_change_reaches_a_running_worker_by_itself(store, door):
    following = asyncio.create_task(Policies({"egress.checks": door}).keep())
    await settings.put("egress.checks", SettingPatch(value={"private": False}))
    async with asyncio.timeout(10):
        while not refuses(door, "127.0.0.1"):
            await asyncio.sleep(0.02)
    following.cancel()


def refuses(door: Egress, address: str) -> bool:
    try:
        door.check(address)
    except Refused:
        return True
    return False
