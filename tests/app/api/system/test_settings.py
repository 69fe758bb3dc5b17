"""Settings over HTTP: for admins, by known keys."""

import pytest

from schema.settings import CATALOGUE, EgressPolicy
from tests.app.api.running_app import ADMIN_TOKEN, version_of

PATH = "/api/v1/settings"
KEY = f"{PATH}/key/egress.checks"
ADMIN_HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}


@pytest.fixture
def api(client):
    client.headers.update(ADMIN_HEADERS)
    return client


async def test_all_settings_are_listed_with_their_defaults(api):
    body = (await api.get(PATH)).json()
    assert ([one["key"] for one in body["settings"]], body["total"]) == (sorted(CATALOGUE), len(CATALOGUE))
    assert all(one["value"] == one["default"] and one["description"] for one in body["settings"])


async def test_a_setting_is_changed_read_and_reset(api):
    changed = await api.put(KEY, json={"value": {"allow_private": False}}, headers={"If-Match": '"0"'})
    assert (changed.status_code, version_of(changed)) == (200, 1)
    assert (await api.get(KEY)).json() == changed.json()
    assert changed.json()["value"] == {
        "allow_private": False,
        "allow": [],
        "deny": [],
        "sockets": EgressPolicy().sockets,
    }
    assert (await api.put(KEY, json={"value": {}}, headers={"If-Match": '"0"'})).status_code == 412
    assert (await api.delete(KEY)).status_code == 204
    assert (await api.get(KEY)).json()["version"] == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"value": {"allow": ["lan"]}}, "value.allow.0"),
        ({"value": {"colour": "red"}}, "value.colour"),
        ({"valeu": {}}, "valeu"),
        ({}, "value"),
    ],
)
async def test_invalid_fields_are_named(api, body, field):
    response = await api.put(KEY, json=body)
    assert response.status_code == 422
    assert field in [one["field"] for one in response.json()["error"]["details"]["fields"]]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_an_unknown_key_is_not_there(api, method):
    response = await api.request(method, f"{PATH}/key/jwt.signing_key", json={"value": 1} if method == "PUT" else None)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "RESOURCE_NOT_FOUND")


async def test_only_admins_can_read_or_change_settings(client, viewer):
    client.headers.update(viewer)
    responses = [await client.get(PATH), await client.get(KEY), await client.put(KEY, json={"value": {}})]
    assert {response.status_code for response in responses} == {403}
