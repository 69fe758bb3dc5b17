"""Channels over HTTP: their secrets stay inside, and a test goes the way every message goes."""

from typing import Any

import msgspec
import pytest

from app import db
from schema.channels import PROVIDERS
from tests import make
from tests.actors.senders.mailhost import mailhost
from tests.app.api.notifying import notifying
from tests.app.api.running_app import ADMIN_TOKEN, version_of
from tests.receiver import Order, receiving

PATH = "/api/v1/notification-channels"
UNKNOWN_ID = f"{PATH}/00000000-0000-0000-0000-000000000000"
ADMIN_HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
TELEGRAM = {"name": "bot", "type": "telegram", "config": {"bot_token": "sesame", "chat_id": "7"}}


@pytest.fixture
def api(client):
    client.headers.update(ADMIN_HEADERS)
    return client


async def added(api, sent) -> dict[str, Any]:
    response = await api.post(PATH, json=sent)
    assert response.status_code == 201, response.text
    thing: dict[str, Any] = response.json()
    return thing


async def test_a_channel_is_added_read_changed_and_removed(api):
    channel = await added(api, TELEGRAM)
    at = f"{PATH}/{channel['id']}"
    assert (await api.get(at)).json() == channel
    assert (await api.patch(at, json={"active": False})).json()["active"] is False
    assert (await api.put(at, json={"name": "Bob"})).json()["active"] is False
    assert (await api.delete(at)).status_code == 204
    assert (await api.get(at)).status_code == 404


async def test_no_reply_shows_a_secret_and_the_mask_keeps_it(api):
    at = f"{PATH}/{(await added(api, TELEGRAM))['id']}"
    read = (await api.get(at)).json()
    assert read["config"]["bot_token"] == "********"
    responses = [
        await api.put(at, json={"config": read["config"]}),
        await api.get(PATH),
        await api.get(f"{PATH}?page=1"),
    ]
    assert [response.status_code for response in responses] == [200, 200, 200]
    assert all("sesame" not in response.text for response in responses)


async def test_a_list_is_whole_under_its_name_or_paged_on_request(api):
    await added(api, TELEGRAM)
    await added(api, make.channel_json())
    whole, paged = (await api.get(PATH)).json(), (await api.get(f"{PATH}?limit=1&order=desc")).json()
    assert ([one["name"] for one in whole["notification_channels"]], whole["total"]) == (["bot", "ops"], 2)
    assert ([one["name"] for one in paged["data"]], paged["pagination"]["pages"]) == (["ops"], 2)
    found = (await api.get(f"{PATH}?type=telegram&q=BO&active=true")).json()
    assert [one["name"] for one in found["notification_channels"]] == ["bot"]


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"events": ["monitor.down", "monitor.downn"]}, "events.1"),
        ({"events": ["weather.*"]}, "events.0"),
        ({"quiet_hours": {"start": "22:00", "end": "22:00"}}, "quiet_hours.end"),
        ({"quiet_hours": {"start": "22:00", "end": "07:00", "timezone": "Mars/Olympus"}}, "quiet_hours.timezone"),
        ({"quiet_hours": {"start": "22:00", "end": "07:00", "except": ["weather.*"]}}, "quiet_hours.except.0"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"timezone": ""}, "timezone"),
    ],
)
async def test_rules_that_could_never_hold_are_refused(api, rules, field):
    at = f"{PATH}/{(await added(api, make.channel_json()))['id']}"
    for response in (await api.post(PATH, json=make.channel_json(**rules)), await api.patch(at, json=rules)):
        assert response.status_code == 422
        assert [one["field"] for one in response.json()["error"]["details"]["fields"]] == [field]


async def test_a_channel_has_a_time_zone_or_that_of_the_server(api):
    created = await added(api, make.channel_json(timezone="Europe/Berlin"))
    at = f"{PATH}/{created['id']}"
    assert created["timezone"] == (await api.patch(at, json={"name": "b"})).json()["timezone"] == "Europe/Berlin"
    assert (await api.patch(at, json={"timezone": None})).json()["timezone"] is None
    assert (await added(api, make.channel_json()))["timezone"] is None


@pytest.mark.parametrize(
    ("channel_zone", "own", "expected"),
    [
        (None, {}, "UTC"),
        ("Asia/Tokyo", {}, "Asia/Tokyo"),
        ("Asia/Tokyo", {"timezone": "Europe/Berlin"}, "Europe/Berlin"),
        (None, {"timezone": "Europe/Berlin"}, "Europe/Berlin"),
    ],
)
async def test_quiet_hours_take_the_channels_time_zone_when_they_are_set(api, channel_zone, own, expected):
    quiet = {"start": "22:00", "end": "07:00", **own}
    created = await added(api, make.channel_json(timezone=channel_zone, quiet_hours=quiet))
    assert created["quiet_hours"]["timezone"] == expected
    at = f"{PATH}/{created['id']}"
    moved = (await api.patch(at, json={"timezone": "America/New_York"})).json()
    assert moved["quiet_hours"]["timezone"] == expected
    again = (await api.patch(at, json={"quiet_hours": {"start": "20:00", "end": "07:00"}})).json()
    assert again["quiet_hours"]["timezone"] == "America/New_York"


async def test_a_copy_that_is_too_old_does_not_overwrite(api):
    at, tag = f"{PATH}/{(await added(api, TELEGRAM))['id']}", {"If-Match": '"1"'}
    assert version_of(await api.patch(at, json={"name": "second"}, headers=tag)) == 2
    assert (await api.patch(at, json={"name": "third"}, headers=tag)).status_code == 412
    assert (await api.delete(at, headers=tag)).status_code == 412


async def test_the_catalogue_names_every_field_of_every_provider(api):
    rows = (await api.get(f"{PATH}/providers")).json()["providers"]
    found = {one["type"]: one["fields"] for one in rows if not one["service"]}
    assert list(found) == list(PROVIDERS)
    for name, config in PROVIDERS.items():
        assert [one["name"] for one in found[name]] == [one.encode_name for one in msgspec.structs.fields(config)]
    assert [one["name"] for one in found["ntfy"] if one["secret"]] == ["password", "token"]
    assert [one["name"] for one in found["smtp"] if one["required"]] == ["host", "sender", "to"]
    assert found["webhook"][2] | {"description": ""} == {
        "name": "headers", "type": "object", "required": False, "secret": True, "description": "", "default": {},
        "choices": [],
    }  # fmt: skip


async def test_a_test_arrives_and_is_confirmed(api):
    async with receiving() as receiver, notifying():
        sent = make.channel_json(config={"url": receiver.url}, active=False)
        at = f"{PATH}/{(await added(api, sent))['id']}"
        response = await api.post(f"{at}/test")
    assert (response.status_code, response.json()["ok"]) == (200, True)
    assert msgspec.json.decode(receiver.arrivals[0].body)["event"] == "channel.test"


async def test_a_config_is_tested_with_its_time_zone(api):
    async with receiving() as receiver, notifying():
        draft = {"name": "ops", "type": "ntfy", "config": {"server_url": receiver.url, "topic": "alerts"}}
        response = await api.post(f"{PATH}/test", json={**draft, "timezone": "Asia/Tokyo"})
    assert response.status_code == 200
    assert msgspec.json.decode(receiver.arrivals[0].body)["message"].endswith(" JST")


async def test_a_refused_test_reports_why_and_is_not_retried(api):
    async with receiving() as receiver, notifying():
        receiver.answer(Order(status=500))
        at = f"{PATH}/{(await added(api, make.channel_json(config={'url': receiver.url})))['id']}"
        response = await api.post(f"{at}/test")
    assert (response.status_code, response.json()["error"]["code"]) == (502, "BAD_GATEWAY")
    assert "500" in response.json()["error"]["message"]
    assert (await db.rows("SELECT state FROM deliveries"))[0]["state"] == "dead"


@pytest.mark.parametrize("reply", ["550 no such user", "451 greylisted"])
async def test_a_test_that_reaches_some_recipients_names_the_others(api, reply):
    with mailhost() as host:
        host.replies = {"gone@home.example": reply}
        recipients = ["ok@home.example", "gone@home.example"]
        config = {"host": "127.0.0.1", "port": host.port, "security": "none", "sender": "w@home.example"}
        sent = make.channel_json(type="smtp", config=config | {"to": recipients})
        async with notifying():
            response = await api.post(f"{PATH}/test", json=sent)
    assert response.status_code == 200
    expected = f"The test was delivered, but not to everybody: 1 of 2 recipients not reached: answered {reply}"
    assert response.json() == {"ok": True, "message": expected}


@pytest.mark.parametrize(("answer", "status"), [(200, 200), (404, 502)])
async def test_a_config_is_tested_without_being_kept(api, answer, status):
    async with receiving() as receiver, notifying():
        receiver.answer(Order(status=answer))
        response = await api.post(
            f"{PATH}/test", json=make.channel_json(config={"url": receiver.url, "secret": "sesame"})
        )
    assert (response.status_code, len(receiver.arrivals)) == (status, 1)
    assert await db.rows("SELECT id FROM channels") == []
    assert await db.rows("SELECT id FROM deliveries") == []


async def test_a_test_without_a_worker_times_out(api, monkeypatch):
    monkeypatch.setattr("app.api.alerting.channel_tests.WAIT_S", 0.2)
    at = f"{PATH}/{(await added(api, make.channel_json()))['id']}"
    response = await api.post(f"{at}/test")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
    assert (await db.rows("SELECT state FROM deliveries"))[0]["state"] == "dead"


@pytest.mark.parametrize(("method", "act"), [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/test")])
async def test_an_unknown_channel_returns_404_with_its_resource(api, method, act):
    response = await api.request(method, UNKNOWN_ID + act, **({"json": {}} if method == "PATCH" else {}))
    assert response.status_code == 404
    assert response.json()["error"]["details"]["resource"] == "notification-channel"


async def test_a_viewer_looks_and_touches_nothing(client, viewer):
    at = f"{PATH}/{(await client.post(PATH, json=TELEGRAM, headers=ADMIN_HEADERS)).json()['id']}"
    client.headers.update(viewer)
    assert [(await client.get(path)).status_code for path in (PATH, at, f"{PATH}/providers")] == [200, 200, 200]
    responses = [await client.post(path, json=TELEGRAM) for path in (PATH, f"{PATH}/test")]
    responses += [await client.post(f"{at}/test"), await client.delete(at), await client.patch(at, json={})]
    assert {response.status_code for response in responses} == {403}
