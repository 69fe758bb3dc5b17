"""Parents of a monitor, over HTTP."""

from typing import Any

import pytest

from tests import make
from tests.app.api.running_app import ADMIN_TOKEN

PATH = "/api/v1/monitors"
ADMIN_HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
UNKNOWN_ID = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def api(client):
    client.headers.update(ADMIN_HEADERS)
    return client


async def added(api, name: str, *parents: str) -> str:
    response = await api.post(PATH, json=make.monitor_json(name=name, parent_ids=list(parents)))
    assert response.status_code == 201, response.text
    assert response.json()["parent_ids"] == list(parents)
    return str(response.json()["id"])


def wrong(response) -> list[dict[str, Any]]:
    assert response.status_code == 422, response.text
    found: list[dict[str, Any]] = response.json()["error"]["details"]["fields"]
    return found


async def test_parents_are_set_kept_and_removed(api):
    router = await added(api, "Router")
    at = f"{PATH}/{await added(api, 'web', router)}"
    assert (await api.patch(at, json={"name": "shop"})).json()["parent_ids"] == [router]
    assert (await api.put(at, json={"parent_ids": []})).json()["parent_ids"] == []
    assert (await api.get(at)).json()["parent_ids"] == []
    (listed,) = (await api.get(f"{PATH}?q=shop")).json()["monitors"]
    assert listed["parent_ids"] == []


async def test_a_circle_is_refused_by_its_way(api):
    router = await added(api, "Router")
    web = await added(api, "web", router)
    errors = wrong(await api.patch(f"{PATH}/{router}", json={"parent_ids": [web]}))
    way = "would make the monitor depend on itself: Router → web → Router"
    assert errors == [{"field": "parent_ids", "message": way}]
    assert (await api.get(f"{PATH}/{router}")).json()["version"] == 1


async def test_a_parent_that_does_not_exist_is_refused_by_its_place(api):
    router = await added(api, "Router")
    errors = wrong(await api.post(PATH, json=make.monitor_json(parent_ids=[router, UNKNOWN_ID])))
    assert [one["field"] for one in errors] == ["parent_ids.1"]
    assert (await api.get(PATH)).json()["total"] == 1


async def test_more_than_a_hundred_parents_are_refused(api):
    errors = wrong(await api.post(PATH, json=make.monitor_json(parent_ids=[UNKNOWN_ID] * 101)))
    assert [one["field"] for one in errors] == ["parent_ids"]


async def test_a_group_decides_who_alerts(api):
    members = [await added(api, "web")]
    sent = make.monitor_json("group", {"members": members, "alerts": "group"})
    assert (await api.post(PATH, json=sent)).json()["config"]["alerts"] == "group"
    sent["config"]["alerts"] = "nobody"
    assert [one["field"] for one in wrong(await api.post(PATH, json=sent))] == ["config.alerts"]
