"""Proxies over HTTP: admins change them, others read them, and passwords are masked."""

import pytest

from app import queue
from tests import make
from tests.app.api.running_app import ADMIN_TOKEN, version_of

PATH = "/api/v1/proxies"
ADMIN_HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
OFFICE = {"name": "office", "protocol": "socks5h", "host": "proxy.lan", "port": 1080, "password": "sesame"}


@pytest.fixture
def api(client):
    client.headers.update(ADMIN_HEADERS)
    return client


async def added(api, **changes) -> dict:
    response = await api.post(PATH, json={**OFFICE, **changes})
    assert response.status_code == 201, response.text
    assert "sesame" not in response.text
    return response.json()


async def test_a_proxy_is_added_read_changed_and_removed(api):
    proxy = await added(api)
    at = f"{PATH}/{proxy['id']}"
    assert (await api.get(at)).json() == proxy
    assert (await api.patch(at, json={"port": 1081, "password": "sesame"})).json()["port"] == 1081
    assert version_of(await api.put(at, json={"password": "********"}, headers={"If-Match": '"2"'})) == 3
    assert (await api.delete(at, headers={"If-Match": '"2"'})).status_code == 412
    assert (await api.delete(at)).status_code == 204
    assert (await api.get(at)).json()["error"]["details"]["resource"] == "proxy"


async def test_a_list_is_whole_under_its_name_or_paged_on_request(api):
    await added(api)
    await added(api, name="home", protocol="http")
    whole = (await api.get(PATH)).json()
    assert ([one["name"] for one in whole["proxies"]], whole["total"]) == (["home", "office"], 2)
    paged = (await api.get(f"{PATH}?limit=1&order=desc&protocol=socks5h")).json()
    assert ([one["name"] for one in paged["data"]], paged["pagination"]["total"]) == (["office"], 1)


@pytest.mark.parametrize(
    "changes", [{"protocol": "ftp"}, {"port": 0}, {"host": "a b"}, {"name": ""}, {"colour": "red"}]
)
async def test_invalid_fields_are_named(api, changes):
    response = await api.post(PATH, json={**OFFICE, **changes})
    assert response.status_code == 422
    assert [one["field"] for one in response.json()["error"]["details"]["fields"]] == list(changes)


async def test_a_proxy_in_use_stays_and_its_monitors_take_a_change(api):
    proxy = await added(api)
    config = {"url": "http://127.0.0.1:9/", "proxy_id": proxy["id"]}
    monitor = await api.post("/api/v1/monitors", json=make.monitor_json(config=config))
    assert monitor.status_code == 201, monitor.text
    assert (await api.delete(f"{PATH}/{proxy['id']}")).status_code == 409
    assert (await api.patch(f"{PATH}/{proxy['id']}", json={"port": 1081, "password": "sesame"})).json()["monitors"] == 1
    (plan,) = (await queue.client().hgetall("wk:plan")).values()
    assert plan.split(b":")[2] == b"2"


async def test_a_proxy_that_does_not_exist_is_refused_by_its_field(api):
    config = {"url": "http://127.0.0.1:9/", "proxy_id": "gone"}
    response = await api.post("/api/v1/monitors", json=make.monitor_json(config=config))
    assert response.status_code == 422
    assert response.json()["error"]["details"]["fields"][0]["field"] == "config.proxy_id"


async def test_a_viewer_looks_and_touches_nothing(client, viewer):
    at = f"{PATH}/{(await client.post(PATH, json=OFFICE, headers=ADMIN_HEADERS)).json()['id']}"
    client.headers.update(viewer)
    assert [(await client.get(path)).status_code for path in (PATH, at)] == [200, 200]
    responses = [await client.post(PATH, json=OFFICE), await client.delete(at), await client.patch(at, json={})]
    assert {response.status_code for response in responses} == {403}
