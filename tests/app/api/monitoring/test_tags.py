"""Tags over HTTP: admins change them, others read them; monitors carry them; they limit what a viewer may see."""

from uuid import uuid4

import pytest

from tests import make
from tests.app.api.running_app import ADMIN_TOKEN, version_of

PATH, MONITORS = "/api/v1/tags", "/api/v1/monitors"
ADMIN_HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
WEB = {"name": "web", "color": "#00ff7f", "description": "what customers see"}


@pytest.fixture
def api(client):
    client.headers.update(ADMIN_HEADERS)
    return client


async def added(api, **changes) -> dict:
    response = await api.post(PATH, json={**WEB, **changes})
    assert response.status_code == 201, response.text
    return response.json()


def fields_of(response) -> list[str]:
    assert response.status_code == 422, response.text
    return [one["field"] for one in response.json()["error"]["details"]["fields"]]


async def test_a_tag_is_added_read_changed_and_removed(api):
    tag = await added(api)
    assert {name: tag[name] for name in WEB} == WEB
    at = f"{PATH}/{tag['id']}"
    assert (await api.get(at)).json() == tag
    assert (await api.patch(at, json={"color": "#000000"})).json()["color"] == "#000000"
    assert version_of(await api.put(at, json={"name": "site"}, headers={"If-Match": '"2"'})) == 3
    assert (await api.delete(at, headers={"If-Match": '"2"'})).status_code == 412
    assert (await api.delete(at)).status_code == 204
    assert (await api.get(at)).json()["error"]["details"] == {"resource": "tag", "id": tag["id"]}


async def test_a_name_that_is_taken_is_a_conflict_in_whatever_case(api):
    tag = await added(api)
    response = await api.post(PATH, json={"name": "WEB"})
    assert (response.status_code, response.json()["error"]["code"]) == (409, "CONFLICT")
    assert (await api.put(f"{PATH}/{tag['id']}", json={"name": "Web"})).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [{"name": ""}, {"name": " web"}, {"name": "x" * 101}, {"color": "red"}, {"color": "#12345"}, {"shape": "round"}],
)
async def test_invalid_fields_are_named(api, changes):
    assert fields_of(await api.post(PATH, json={**WEB, **changes})) == list(changes)


async def test_a_list_is_whole_under_its_name_or_paged_on_request(api):
    for name in ("web", "mail"):
        await added(api, name=name)
    whole = (await api.get(PATH)).json()
    assert ([one["name"] for one in whole["tags"]], whole["total"]) == (["mail", "web"], 2)
    paged = (await api.get(f"{PATH}?limit=1&order=desc&q=e")).json()
    assert ([one["name"] for one in paged["data"]], paged["pagination"]["total"]) == (["web"], 1)
    assert fields_of(await api.get(f"{PATH}?color=red")) == ["color"]


async def test_a_monitor_bears_tags_and_is_found_by_them(api):
    tag = await added(api)
    monitor = (await api.post(MONITORS, json=make.monitor_json(tag_ids=[tag["id"]]))).json()
    label = {name: tag[name] for name in ("id", "name", "color")}
    assert monitor["tags"] == [label]
    assert (await api.patch(f"{MONITORS}/{monitor['id']}", json={"name": "x"})).json()["tags"] == [label]
    assert [one["id"] for one in (await api.get(f"{MONITORS}?tag=WEB")).json()["monitors"]] == [monitor["id"]]
    assert (await api.get(f"{MONITORS}?tag=mail")).json() == {"monitors": [], "total": 0}
    assert fields_of(await api.put(f"{MONITORS}/{monitor['id']}", json={"tag_ids": ["gone"]})) == ["tag_ids.0"]
    assert (await api.put(f"{MONITORS}/{monitor['id']}", json={"tag_ids": []})).json()["tags"] == []


async def test_a_viewer_looks_and_touches_nothing(client, viewer):
    at = f"{PATH}/{(await client.post(PATH, json=WEB, headers=ADMIN_HEADERS)).json()['id']}"
    me = (await client.get("/api/v1/auth/me", headers=viewer)).json()["id"]
    client.headers.update(viewer)
    assert [(await client.get(path)).status_code for path in (PATH, at)] == [200, 200]
    mine = f"/api/v1/users/{me}/visible-tags"
    responses = [await client.post(PATH, json=WEB), await client.delete(at), await client.patch(at, json={})]
    responses += [await client.get(mine), await client.put(mine, json={"visible_tags": []})]
    assert {response.status_code for response in responses} == {403}


async def test_an_admin_sets_the_tags_of_a_viewer(client, viewer):
    me = (await client.get("/api/v1/auth/me", headers=viewer)).json()["id"]
    client.headers.update(ADMIN_HEADERS)
    tag, mine = await added(client), f"/api/v1/users/{me}/visible-tags"
    assert (await client.get(mine)).json() == {"visible_tags": []}
    assert (await client.put(mine, json={"visible_tags": [tag["id"]]})).json() == {"visible_tags": [tag["id"]]}
    assert (await client.get(mine)).json() == {"visible_tags": [tag["id"]]}
    assert (await client.delete(f"{PATH}/{tag['id']}")).status_code == 409
    assert fields_of(await client.put(mine, json={"visible_tags": ["gone"]})) == ["visible_tags.0"]
    assert fields_of(await client.put(mine, json={})) == ["visible_tags"]
    assert (await client.get(f"/api/v1/users/{uuid4()}/visible-tags")).json()["error"]["details"]["resource"] == "user"


async def test_only_viewers_can_be_limited_to_tags(client, admin):
    me = (await client.get("/api/v1/auth/me", headers=admin)).json()["id"]
    client.headers.update(ADMIN_HEADERS)
    tag = await added(client)
    response = await client.put(f"/api/v1/users/{me}/visible-tags", json={"visible_tags": [tag["id"]]})
    assert (response.status_code, response.json()["error"]["details"]) == (409, {"role": "admin"})
