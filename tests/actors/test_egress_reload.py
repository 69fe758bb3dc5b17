"""A worker's egress policies follow the settings."""

import asyncio

import pytest

from actors import probes, senders
from actors.egress_reload import EgressReload
from app import tasks
from app.security.network.egress import Egress, EgressDenied
from app.security.network.resolver import Resolver
from app.store.system import settings
from schema.settings import CATALOGUE, SettingPatch


@pytest.fixture
def egress():
    names = Resolver()
    yield Egress(names)
    names.close()


async def test_every_use_of_the_network_has_its_policy(database):
    probe_context, sender_context = await probes.open_probe_context(database), senders.make_context()
    egresses = probe_context.egress_by_setting() | sender_context.egress_by_setting()
    assert set(egresses) == {key for key in CATALOGUE if key.startswith("egress.")}
    assert len({id(one) for one in egresses.values()}) == len(egresses)
    await probe_context.close()
    await sender_context.close()


async def test_a_policy_that_is_set_holds_from_then_on(store, egress):
    policies = EgressReload({"egress.checks": egress})
    await policies.load()
    egress.check("10.0.0.1")
    await settings.update("egress.checks", SettingPatch(value={"deny": ["10.0.0.0/8"]}))
    await policies.load()
    with pytest.raises(EgressDenied, match="denied"):
        egress.check("10.0.0.1")


async def test_a_change_reaches_a_running_worker_by_itself(store, egress):
    following = asyncio.create_task(EgressReload({"egress.checks": egress}).run())
    await settings.update("egress.checks", SettingPatch(value={"allow_private": False}))
    async with asyncio.timeout(10):
        while not refuses(egress, "127.0.0.1"):
            await asyncio.sleep(0.02)
    await tasks.cancel(following)


def refuses(egress: Egress, address: str) -> bool:
    try:
        egress.check(address)
    except EgressDenied:
        return True
    return False
