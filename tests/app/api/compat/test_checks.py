"""Checks over HTTP: monitors in the format of document 002, with nothing stored of their own."""

import asyncio
from typing import Any

import msgspec
import pytest

from app import queue
from app.security.secrets import sealing
from app.store.transactions import monitors
from schema.jobs import AdHocProbe, reply_key
from schema.proxies import ProxyConfig
from schema.targets import Http, HttpBearerAuth
from tests import make
from tests.app.api.running_app import ADMIN_TOKEN

PATH = "/api/v1/checks"
UNKNOWN_ID = "00000000-0000-0000-0000-000000000000"
DRAFT: dict[str, Any] = {
    "name": "home",
    "plugin_type": "http",
    "config": {"url": "http://127.0.0.1:9/", "auth": {"method": "bearer", "token": "sesame"}},
    "schedule": "every 5 minutes",
}


@pytest.fixture
def api(client):
    client.headers["Authorization"] = f"Bearer {ADMIN_TOKEN}"
    return client


async def added(api, **changes) -> dict:
    response = await api.post(PATH, json={**DRAFT, **changes})
    assert response.status_code == 201, response.text
    return response.json()


def wrong(response) -> list[str]:
    assert response.status_code == 422, response.text
    return [one["field"] for one in response.json()["error"]["details"]["fields"]]


async def test_a_check_is_added_read_changed_and_removed(api):
    check = await added(api)
    at = f"{PATH}/{check['id']}"
    assert (await api.get(at)).json() == check
    changed = (await api.put(at, json={"name": "house", "schedule": "every 1 hour"})).json()
    assert changed == {**check, "name": "house", "schedule": "every 1 hour", "updated_at": changed["updated_at"]}
    gone = await api.delete(at)
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await api.get(at)).json()["error"]["code"] == "RESOURCE_NOT_FOUND"


async def test_a_check_is_a_monitor_and_a_monitor_is_a_check(api):
    check = await added(api)
    monitor = (await api.get(f"/api/v1/monitors/{check['id']}")).json()
    assert (monitor["name"], monitor["type"], monitor["interval"]) == ("home", "http", 300)
    other = (await api.post("/api/v1/monitors", json=make.monitor_json(interval=90))).json()
    read = (await api.get(f"{PATH}/{other['id']}")).json()
    assert (read["name"], read["plugin_type"], read["schedule"]) == (other["name"], "http", "every 90 seconds")
    assert read["config"]["url"] == other["config"]["url"]


@pytest.mark.parametrize(
    ("schedule", "interval", "cron"),
    [(None, None, None), ("*/5 * * * *", None, "*/5 * * * *"), ("every day", 86_400, None)],
)
async def test_a_schedule_is_an_interval_a_cron_expression_or_nothing(api, schedule, interval, cron):
    check = await added(api, schedule=schedule)
    monitor = (await api.get(f"/api/v1/monitors/{check['id']}")).json()
    assert (monitor["interval"], monitor["cron"], monitor["active"]) == (interval, cron, True)
    again = (await api.put(f"{PATH}/{check['id']}", json={"schedule": "every 10 seconds"})).json()
    assert again["schedule"] == "every 10 seconds"
    back = (await api.put(f"{PATH}/{check['id']}", json={"schedule": schedule})).json()
    assert back["schedule"] == check["schedule"]


async def test_without_a_schedule_a_check_runs_on_demand(api):
    assert (await added(api, schedule=None))["schedule"] is None
    draft = {name: value for name, value in DRAFT.items() if name != "schedule"}
    assert (await api.post(PATH, json=draft)).json()["schedule"] is None


async def test_secrets_are_masked_and_stay_when_the_mask_comes_back(api):
    check = await added(api)
    assert check["config"]["auth"]["token"] == "********"
    at = f"{PATH}/{check['id']}"
    for text in ((await api.get(PATH)).text, (await api.get(at)).text):
        assert "sesame" not in text
    changed = await api.put(at, json={"config": {**DRAFT["config"], "auth": check["config"]["auth"]}})
    assert changed.status_code == 200, changed.text
    (stored,) = await monitors.list_snapshots([1])
    assert isinstance(stored.target, Http)
    assert isinstance(stored.target.auth, HttpBearerAuth)
    assert stored.target.auth.token == "sesame"


async def test_the_timeout_of_a_config_is_the_monitors(api):
    check = await added(api, config={"url": "http://127.0.0.1:9/", "timeout": 30})
    at = f"{PATH}/{check['id']}"
    assert (await api.get(f"/api/v1/monitors/{check['id']}")).json()["timeout"] == 30
    assert check["config"]["timeout"] == 30
    assert wrong(await api.put(at, json={"schedule": "every 10 seconds"})) == ["config.timeout"]
    assert wrong(await api.put(at, json={"config": {**DRAFT["config"], "timeout": "soon"}})) == ["config.timeout"]


async def test_a_usual_timeout_follows_the_schedule(api):
    check = await added(api, plugin_type="dns_record", config={"domain": "localhost", "record_type": "A"})
    assert (check["plugin_type"], check["config"]["timeout"]) == ("dns", 10)
    assert (check["config"]["domain"], check["config"]["record_type"]) == ("localhost", "A")
    often = (await api.put(f"{PATH}/{check['id']}", json={"schedule": "every 5 seconds"})).json()
    assert often["config"]["timeout"] == 4


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"plugin_type": "telepathy"}, ["plugin_type"]),
        ({"schedule": "sometimes"}, ["schedule"]),
        ({"schedule": "every 2 seconds"}, ["schedule"]),
        ({"schedule": "61 * * * *"}, ["schedule"]),
        ({"name": "", "enabled": "yes", "colour": "red"}, ["name", "enabled", "colour"]),
        (
            {"config": {"uri": "http://a.example/"}, "schedule": "now and then"},
            ["config.url", "config.uri", "schedule"],
        ),
        (
            {"plugin_type": "dns", "config": {"record_type": "Z", "timeout": 0}},
            ["config.domain", "config.record_type", "config.timeout"],
        ),
        (
            {"config": {"url": "http://a.example/", "auth": {"method": "bearer", "token": "********"}}},
            ["config.auth.token"],
        ),
    ],
)
async def test_validation_errors_use_the_field_names_of_the_client(api, changes, fields):
    assert sorted(wrong(await api.post(PATH, json={**DRAFT, **changes}))) == sorted(fields)


async def test_a_checks_type_may_be_repeated_and_may_not_change(api):
    check = await added(api)
    assert (await api.put(f"{PATH}/{check['id']}", json={"plugin_type": "http"})).status_code == 200
    assert wrong(await api.put(f"{PATH}/{check['id']}", json={"plugin_type": "tcp"})) == ["plugin_type"]


async def test_a_change_from_an_old_copy_is_refused(api):
    check = await added(api)
    at = f"{PATH}/{check['id']}"
    tag = (await api.get(at)).headers["ETag"]
    assert (await api.put(at, json={"name": "house"}, headers={"If-Match": tag})).status_code == 200
    assert (await api.put(at, json={"name": "hut"}, headers={"If-Match": tag})).status_code == 412


async def test_lists_are_flat_and_filtered(api):
    for number in range(3):
        await added(api, name=f"check {number}", enabled=number != 1)
    await added(api, name="name", plugin_type="dns", config={"domain": "localhost"})
    page = (await api.get(f"{PATH}?per_page=3&page=2")).json()
    assert [one["name"] for one in page.pop("checks")] == ["name"]
    assert page == {"page": 2, "per_page": 3, "total": 4, "pages": 2}
    off = (await api.get(f"{PATH}?enabled=false")).json()
    assert [one["name"] for one in off["checks"]] == ["check 1"]
    names = (await api.get(f"{PATH}?plugin_type=dns_record")).json()
    assert [one["name"] for one in names["checks"]] == ["name"]
    last = (await api.get(f"{PATH}?sort=name&order=desc&per_page=1")).json()
    assert [one["name"] for one in last["checks"]] == ["name"]


@pytest.mark.parametrize("query", ["per_page=101", "page=0", "enabled=perhaps", "plugin_type=x", "limit=5", "sort=id"])
async def test_a_question_that_makes_no_sense_is_refused_by_its_name(api, query):
    assert wrong(await api.get(f"{PATH}?{query}")) == [query.partition("=")[0]]


async def test_a_viewer_reads_and_does_nothing_else(client, admin, viewer):
    response = await client.post(PATH, json=DRAFT, headers=admin)
    at = f"{PATH}/{response.json()['id']}"
    assert (await client.get(at, headers=viewer)).status_code == 200
    rejected = [
        await client.post(PATH, json=DRAFT, headers=viewer),
        await client.put(at, json={"name": "x"}, headers=viewer),
        await client.delete(at, headers=viewer),
        await client.post(f"{at}/run", headers=viewer),
        await client.post(f"{PATH}/run", json={"plugin_type": "http", "config": DRAFT["config"]}, headers=viewer),
        await client.post("/api/v1/batch/run", json={"checks": ["x"]}, headers=viewer),
        await client.post("/api/v1/batch/run-ad-hoc", json={"checks": []}, headers=viewer),
    ]
    assert [one.status_code for one in rejected] == [403] * 7


async def job(api, config: dict) -> tuple[bytes, AdHocProbe, asyncio.Task]:
    """Ask for an ad-hoc check, and take its job from the queue as a worker would."""
    asking = asyncio.create_task(api.post(f"{PATH}/run", json={"plugin_type": "http", "config": config}))
    async with asyncio.timeout(20):
        while not (ids := await queue.client().lrange(f"{queue.NAMESPACE}:check", 0, -1)):
            await asyncio.sleep(0.01)
    body = await queue.client().hget(f"{queue.NAMESPACE}:check.msgs", ids[0])
    message = msgspec.json.decode(body)
    assert message["actor_name"] == "probe"
    return body, msgspec.convert(message["kwargs"], AdHocProbe), asking


async def test_an_ad_hoc_check_is_a_workers_work_with_its_secrets_sealed(api):
    body, queued, request = await job(api, {**DRAFT["config"], "timeout": 2})
    assert b"sesame" not in body
    assert sealing.decrypt_secrets(queued.encrypted_target, Http).auth.token == "sesame"
    assert queued.timeout_ms == 2_000
    outcome = make.down(series=0, message="connection refused", detail={"why": "nobody"}, took_us=1_500)
    await queue.client().rpush(reply_key(queued.token), msgspec.json.encode(outcome))
    result = (await request).json()
    assert {name: result[name] for name in ("id", "check_id", "status", "message", "response_time", "raw_data")} == {
        "id": None,
        "check_id": None,
        "status": "error",
        "message": "connection refused",
        "response_time": 0.0015,
        "raw_data": {"why": "nobody"},
    }
    assert (await api.get(PATH)).json()["total"] == 0


async def test_the_proxy_of_an_ad_hoc_check_goes_along_with_its_password_sealed(api):
    office = {"name": "office", "protocol": "socks5h", "host": "proxy.lan", "port": 1080, "password": "open sesame"}
    proxy_id = (await api.post("/api/v1/proxies", json=office)).json()["id"]
    body, queued, request = await job(api, {"url": "http://127.0.0.1:9/", "proxy_id": proxy_id})
    assert b"open sesame" not in body
    proxy = sealing.decrypt_secrets(queued.proxy, ProxyConfig)
    assert (proxy.protocol, proxy.host, proxy.port, proxy.password) == ("socks5h", "proxy.lan", 1080, "open sesame")
    await queue.client().rpush(reply_key(queued.token), msgspec.json.encode(make.outcome(series=0)))
    assert (await request).json()["status"] == "success"


async def test_an_answer_that_does_not_come_is_none(api):
    assert await queue.wait_for_reply("a-token-nobody-has", 0.05) is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"plugin_type": "push", "config": {}}, "plugin_type"),
        ({"plugin_type": "http", "config": {}}, "config.url"),
        ({"plugin_type": "http", "config": {"url": "http://a.example/", "timeout": 601}}, "config.timeout"),
        ({"plugin_type": "http", "config": {"url": "http://a.example/", "proxy_id": "gone"}}, "config.proxy_id"),
    ],
)
async def test_an_ad_hoc_check_that_can_not_run_is_refused_by_its_field(api, query, field):
    assert wrong(await api.post(f"{PATH}/run", json=query)) == [field]


async def test_running_what_is_not_there_is_not_found(api):
    response = await api.post(f"{PATH}/{UNKNOWN_ID}/run")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "RESOURCE_NOT_FOUND")
