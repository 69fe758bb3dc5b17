"""Channels of Apprise's services over HTTP: by fields or by address, as the catalogue has them, secrets inside."""

import copy
from pathlib import Path
from typing import Any

import pytest

from tests.app.api.alerting.test_channels import PATH, added, api as api
from tests.app.api.notifying import notifying
from tests.receiver import receiving

pytestmark = pytest.mark.either_engine

ROOT = Path(__file__).parents[3]
GOTIFY: dict[str, Any] = {
    "name": "phones",
    "type": "apprise",
    "config": {"service": "gotify", "fields": {"host": "push.example", "port": 8443}, "secrets": {"token": "sesame"}},
}
BY_URL = {"name": "phones", "type": "apprise", "config": {"url": "gotifys://push.example:8443/sesame"}}
MASK = "********"


def gotify(**fields: Any) -> dict[str, Any]:
    sent = copy.deepcopy(GOTIFY)
    sent["config"]["fields"] |= fields
    return sent


async def test_every_row_of_the_catalogue_leads_to_a_page(api):
    rows = (await api.get(f"{PATH}/providers")).json()["providers"]
    assert len(rows) >= 100
    assert all((ROOT / row["docs"]).is_file() for row in rows)
    (row,) = (one for one in rows if one["service"] == "zulip")
    assert (row["type"], row["name"], row["schemes"]) == ("apprise", "Zulip", ["zulip"])
    assert row["setup"].startswith("https://")
    assert [one["name"] for one in row["fields"] if one["required"]] == ["botname", "organization", "token"]
    assert [one["name"] for one in row["fields"] if one["secret"]] == ["token"]


async def test_a_channel_made_from_fields_shows_them_without_its_secrets(api):
    made = await added(api, GOTIFY)
    assert made["config"] == {
        **GOTIFY["config"],
        "type": "apprise",
        "secrets": {"token": MASK},
        "url": "",
        "proxy_id": "",
    }
    assert "sesame" not in (await api.get(f"{PATH}/{made['id']}")).text


async def test_a_channel_made_from_an_address_is_masked(api):
    made = await added(api, BY_URL)
    assert made["config"]["url"] == MASK
    assert "push.example" not in (await api.get(f"{PATH}/{made['id']}")).text


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"service": "smoke-signals"}, "config.service"),
        ({"service": "smoke"}, "config.service"),
        ({}, "config.service"),
        ({"service": "gotify"}, "config.fields.host"),
        ({"service": "gotify", "fields": {"host": "h"}}, "config.secrets.token"),
        ({"service": "gotify", "fields": {"host": "h", "x": 1}, "secrets": {"token": "t"}}, "config.fields.x"),
        ({"url": "mqtt://example.org/topic"}, "config.url"),
        ({"url": "file:///etc/passwd"}, "config.url"),
        ({"url": "https://example.org/apprise.yml"}, "config.url"),
        ({"url": "no address"}, "config.url"),
        ({"url": MASK}, "config.url"),
    ],
)
async def test_invalid_service_configs_are_rejected_with_their_field(api, config: dict[str, Any], field: str):
    response = await api.post(PATH, json={"name": "phones", "type": "apprise", "config": config})
    assert response.status_code == 422
    assert field in [one["field"] for one in response.json()["error"]["details"]["fields"]]


async def test_the_mask_keeps_a_secret_where_it_is(api):
    at = f"{PATH}/{(await added(api, GOTIFY))['id']}"
    same = {**GOTIFY["config"], "secrets": {"token": MASK}}
    assert (await api.patch(at, json={"config": same})).status_code == 200


@pytest.mark.parametrize(
    "config",
    [
        {**gotify(host="thief.example")["config"], "secrets": {"token": MASK}},
        {**gotify(schema="gotify")["config"], "secrets": {"token": MASK}},
        {**GOTIFY["config"], "service": "apprise_api", "secrets": {"token": MASK}},
    ],
    ids=["another host", "without TLS", "another service"],
)
async def test_a_secret_kept_by_its_mask_goes_nowhere_else(api, config: dict[str, Any]):
    at = f"{PATH}/{(await added(api, GOTIFY))['id']}"
    response = await api.patch(at, json={"config": config})
    assert response.status_code == 422
    assert "must be sent again" in response.text


async def test_a_test_goes_through_the_sandbox_and_arrives(api):
    async with receiving() as receiver, notifying():
        host, _, port = receiver.url.removeprefix("http://").partition(":")
        sent = gotify(schema="gotify", host=host, port=int(port))
        response = await api.post(f"{PATH}/test", json=sent)
        assert response.json() == {"ok": True, "message": "The test was delivered."}
        (arrival,) = receiver.arrivals
    assert (arrival.path, arrival.headers["X-Gotify-Key"]) == ("/message", "sesame")
    assert b"Test message from Watchkeeper" in arrival.body
