"""Escalations over HTTP: admins change them, others look; monitors name one."""

import pytest

from tests import make
from tests.app.api.running_app import ADMIN_TOKEN, version_of

PATH, MONITORS, CHANNELS = "/api/v1/escalations", "/api/v1/monitors", "/api/v1/notification-channels"
ADMIN_HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def api(client):
    client.headers.update(ADMIN_HEADERS)
    return client


async def draft(api, **changes) -> dict:
    channel = (await api.post(CHANNELS, json=make.channel_json())).json()
    return {"name": "on call", "steps": [{"after": 300, "channel_ids": [channel["id"]]}], "repeat": 1, **changes}


async def added(api, **changes) -> dict:
    response = await api.post(PATH, json=await draft(api, **changes))
    assert response.status_code == 201, response.text
    return response.json()


def fields_of(response) -> list[str]:
    assert response.status_code == 422, response.text
    return [one["field"] for one in response.json()["error"]["details"]["fields"]]


async def test_an_escalation_is_added_read_changed_and_removed(api):
    sent = await draft(api)
    made = (await api.post(PATH, json=sent)).json()
    assert {name: made[name] for name in sent} == sent
    at = f"{PATH}/{made['id']}"
    assert (await api.get(at)).json() == made
    assert version_of(await api.patch(at, json={"repeat": 0})) == 2
    assert (await api.put(at, json={"name": "x"}, headers={"If-Match": '"1"'})).status_code == 412
    assert (await api.delete(at, headers={"If-Match": '"2"'})).status_code == 204
    assert (await api.get(at)).json()["error"]["details"] == {"resource": "escalation", "id": made["id"]}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"steps": []}, "steps"),
        ({"repeat": -1}, "repeat"),
        ({"name": ""}, "name"),
        ({"steps": [{"after": 1, "channel_ids": ["x"]}]}, "steps.0.after"),
        ({"steps": [{"after": 60, "channel_ids": []}]}, "steps.0.channel_ids"),
        ({"steps": [{"after": 60, "channel_ids": [UNKNOWN_ID]}]}, "steps.0.channel_ids.0"),
    ],
)
async def test_invalid_fields_are_named(api, changes, field):
    assert fields_of(await api.post(PATH, json=await draft(api, **changes))) == [field]


async def test_a_list_is_whole_under_its_name_or_paged_on_request(api):
    for name in ("nights", "days"):
        await added(api, name=name)
    whole = (await api.get(PATH)).json()
    assert ([one["name"] for one in whole["escalations"]], whole["total"]) == (["days", "nights"], 2)
    paged = (await api.get(f"{PATH}?limit=1&order=desc&q=N")).json()
    assert ([one["name"] for one in paged["data"]], paged["pagination"]["total"]) == (["nights"], 1)


async def test_a_monitor_names_one_that_exists_and_falls_back_to_none(api):
    one = await added(api)
    monitor = (await api.post(MONITORS, json=make.monitor_json(escalation_id=one["id"]))).json()
    at = f"{MONITORS}/{monitor['id']}"
    assert (monitor["escalation_id"], (await api.get(f"{PATH}/{one['id']}")).json()["monitors"]) == (one["id"], 1)
    assert fields_of(await api.post(MONITORS, json=make.monitor_json(escalation_id=UNKNOWN_ID))) == ["escalation_id"]
    assert fields_of(await api.patch(at, json={"escalation_id": UNKNOWN_ID})) == ["escalation_id"]
    assert (await api.patch(at, json={"name": "site"})).json()["escalation_id"] == one["id"]
    await api.delete(f"{PATH}/{one['id']}")
    assert (await api.get(at)).json()["escalation_id"] is None


async def test_a_viewer_looks_and_touches_nothing(client, viewer):
    client.headers.update(ADMIN_HEADERS)
    at = f"{PATH}/{(await added(client))['id']}"
    client.headers.update(viewer)
    assert [(await client.get(path)).status_code for path in (PATH, at)] == [200, 200]
    responses = [await client.post(PATH, json={}), await client.patch(at, json={}), await client.delete(at)]
    assert {response.status_code for response in responses} == {403}
