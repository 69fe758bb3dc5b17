"""A worker's doors follow what admins set."""

import asyncio

import pytest

from actors import probes, senders
from actors.egress_reload import EgressReload
from app.security.network.egress import Egress, EgressDenied
from app.security.network.resolver import Resolver
from app.store.system import settings
from schema.settings import CATALOGUE, SettingPatch


@pytest.fixture
def door():
    names = Resolver()
    yield Egress(names)
    names.close()


async def test_every_use_of_the_network_has_its_door(database):
    watching, telling = await probes.open_probe_context(database), senders.make_context()
    doors = watching.egress_by_setting() | telling.egress_by_setting()
    assert set(doors) == {key for key in CATALOGUE if key.startswith("egress.")}
    assert len({id(one) for one in doors.values()}) == len(doors)
    await watching.close()
    await telling.close()


async def test_a_policy_that_is_set_holds_from_then_on(store, door):
    policies = EgressReload({"egress.checks": door})
    await policies.load()
    door.check("10.0.0.1")
    await settings.update("egress.checks", SettingPatch(value={"deny": ["10.0.0.0/8"]}))
    await policies.load()
    with pytest.raises(EgressDenied, match="denied"):
        door.check("10.0.0.1")


async def test_a_change_reaches_a_running_worker_by_itself(store, door):
    following = asyncio.create_task(EgressReload({"egress.checks": door}).run())
    await settings.update("egress.checks", SettingPatch(value={"allow_private": False}))
    async with asyncio.timeout(10):
        while not refuses(door, "127.0.0.1"):
            await asyncio.sleep(0.02)
    following.cancel()


def refuses(door: Egress, address: str) -> bool:
    try:
        door.check(address)
    except EgressDenied:
        return True
    return False
