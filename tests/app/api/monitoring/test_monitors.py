"""Monitors over HTTP: who may do what, what is returned, and how the schedule changes."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from app import clock, due_set, queue
from app.domain.schedule import slots
from app.main import create_app
from app.store.transactions import monitors, results
from schema.jobs import CheckBatch
from schema.targets import HttpBearerAuth
from tests import make
from tests.actors.queued_jobs import jobs_of
from tests.app.api.running_app import ADMIN_TOKEN, calling

PATH = "/api/v1/monitors"
UNKNOWN_ID = f"{PATH}/00000000-0000-0000-0000-000000000000"
ADMIN_HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
SECRET = {"url": "http://127.0.0.1:9/", "auth": {"method": "bearer", "token": "sesame"}}


@pytest.fixture
def api(client):
    client.headers.update(ADMIN_HEADERS)
    return client


async def added(api, **changes) -> dict[str, Any]:
    response = await api.post(PATH, json=make.monitor_json(**changes))
    assert response.status_code == 201, response.text
    thing: dict[str, Any] = response.json()
    return thing


async def work() -> None:
    """What scheduler and worker do with the next due slot, once somebody waits for it."""
    await due_set.mark_built()
    async with asyncio.timeout(20):
        while not await queue.client().hlen("wk:waiting"):
            await asyncio.sleep(0.01)
        while not (claim := await due_set.claim_due(10)).slots:
            await asyncio.sleep(0.01)
    slot = claim.slots[0]
    snapshots = {one.series: one for one in await monitors.list_snapshots([slot.series])}
    outcome = make.outcome(series=slot.series, at_ms=slot.at_ms, early=True)
    await results.store_results(make.results(outcome), snapshots, clock.now_ms())
    await due_set.mark_stored([due_set.StoredSlot(slot.series, slot.at_ms)])


async def test_a_monitor_is_added_read_changed_and_removed(api):
    monitor = await added(api, name="home")
    at = f"{PATH}/{monitor['id']}"
    assert (await api.get(at)).json() == monitor
    changed = await api.patch(at, json={"name": "house", "interval": 30})
    assert changed.json() == {
        **monitor,
        "name": "house",
        "interval": 30,
        "version": 2,
        "updated_at": changed.json()["updated_at"],
    }
    assert (await api.delete(at)).status_code == 204
    assert (await api.get(at)).status_code == 404


async def test_put_merges_as_patch_does(api):
    monitor = await added(api)
    changed = (await api.put(f"{PATH}/{monitor['id']}", json={"max_retries": 2})).json()
    assert (changed["name"], changed["max_retries"], changed["config"]) == (monitor["name"], 2, monitor["config"])


async def test_masked_secrets_sent_back_keep_their_stored_value(api):
    monitor = await added(api, config=SECRET)
    assert monitor["config"]["auth"]["token"] == "********"
    sent = {name: monitor[name] for name in ("name", "type", "config", "interval", "notification_channel_ids")}
    assert (await api.put(f"{PATH}/{monitor['id']}", json=sent)).status_code == 200
    (plan,) = await monitors.list_schedules()
    assert (await monitors.list_snapshots([plan.series]))[0].target == make.http(auth=HttpBearerAuth(token="sesame"))


async def test_no_reply_shows_a_secret(api):
    monitor = await added(api, config=SECRET)
    at = f"{PATH}/{monitor['id']}"
    responses = [await api.get(PATH), await api.get(f"{PATH}?limit=5"), await api.get(at)]
    responses += [await api.patch(at, json={"name": "x"}), await api.post(f"{at}/pause"), await api.delete(at)]
    assert all("sesame" not in response.text for response in responses)


async def test_a_list_is_whole_under_its_name_or_paged_on_request(api):
    for name in "abc":
        await added(api, name=name)
    whole = (await api.get(PATH)).json()
    paged = (await api.get(PATH, params={"page": 2, "limit": 2, "sort": "name"})).json()
    assert ([one["name"] for one in whole["monitors"]], whole["total"]) == (["a", "b", "c"], 3)
    assert [one["name"] for one in paged["data"]] == ["c"]
    assert paged["pagination"] == {"page": 2, "limit": 2, "total": 3, "pages": 2, "has_next": False, "has_prev": True}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=WE", ["web"]),
        ("type=push", ["job"]),
        ("active=false", ["off"]),
        ("status=unknown&order=desc", ["web", "off", "job"]),
    ],
)
async def test_a_list_is_filtered_and_sorted_on_request(api, query, found):
    await added(api, name="web")
    await added(api, name="job", type_="push")
    await added(api, name="off", active=False)
    assert [one["name"] for one in (await api.get(f"{PATH}?{query}")).json()["monitors"]] == found


async def test_a_copy_that_is_too_old_does_not_overwrite(api):
    first = await api.get(f"{PATH}/{(await added(api))['id']}")
    tag, at = {"If-Match": first.headers["ETag"]}, f"{PATH}/{first.json()['id']}"
    second = await api.patch(at, json={"name": "second"}, headers=tag)
    assert second.headers["ETag"] != first.headers["ETag"]
    for refusal in (await api.patch(at, json={"name": "third"}, headers=tag), await api.delete(at, headers=tag)):
        assert (refusal.status_code, refusal.json()["error"]["code"]) == (412, "PRECONDITION_FAILED")
    assert (await api.get(at)).json()["name"] == "second"
    assert (await api.delete(at, headers={"If-Match": "*"})).status_code == 204


async def test_a_new_monitor_is_due_at_once_and_a_paused_one_is_not_due(api):
    monitor = await added(api)
    assert 0 < await due_set.oldest_due_ms() <= clock.now_ms()
    paused = await api.post(f"{PATH}/{monitor['id']}/pause")
    assert (paused.json()["active"], await due_set.oldest_due_ms(), await due_set.list_scheduled()) == (False, 0, {})
    resumed = await api.post(f"{PATH}/{monitor['id']}/resume")
    assert resumed.json()["active"]
    assert 0 < await due_set.oldest_due_ms() <= clock.now_ms()
    await api.delete(f"{PATH}/{monitor['id']}")
    assert await due_set.list_scheduled() == {}


async def test_a_push_monitor_is_looked_at_from_its_first_slot_on(api):
    began_ms = clock.now_ms()
    await added(api, type_="push", interval=60)
    first_ms = slots.next_slot(1, 60_000, began_ms)
    assert await due_set.oldest_due_ms() in {first_ms, first_ms + 60_000}  # the slot may have passed meanwhile


async def test_a_run_answers_with_the_heartbeat_that_was_stored(api):
    monitor = await added(api)
    run, _ = await asyncio.gather(api.post(f"{PATH}/{monitor['id']}/run"), work())
    assert run.status_code == 200, run.text
    assert (run.json()["monitor_id"], run.json()["status"], run.json()["msg"]) == (monitor["id"], 1, "200 OK")
    assert (await api.get(f"{PATH}/{monitor['id']}/heartbeats")).json()["heartbeats"] == [run.json()]
    assert (await api.get(f"{PATH}/{monitor['id']}")).json()["status"] == 1


@pytest.mark.parametrize("act", ["", "/pause", "/resume", "/run"])
async def test_an_unknown_monitor_returns_404_with_its_resource_and_id(api, act):
    response = await (api.post(UNKNOWN_ID + act) if act else api.get(UNKNOWN_ID))
    assert response.status_code == 404
    assert response.json()["error"]["details"] == {"resource": "monitor", "id": UNKNOWN_ID.rpartition("/")[2]}


async def test_a_viewer_looks_and_touches_nothing(client, viewer):
    at = f"{PATH}/{(await client.post(PATH, json=make.monitor_json(), headers=ADMIN_HEADERS)).json()['id']}"
    client.headers.update(viewer)
    assert [(await client.get(path)).status_code for path in (PATH, at, f"{at}/heartbeats")] == [200, 200, 200]
    responses = [await client.post(f"{at}/{act}") for act in ("pause", "resume", "run")]
    responses += [await client.delete(at), await client.patch(at, json={}), await client.put(at, json={})]
    responses += [await client.post(PATH, json=make.monitor_json())]
    assert {response.status_code for response in responses} == {403}


async def test_changes_are_stored_while_redis_is_away(database, tmp_path):
    away = replace(database, redis_url=f"unix://{tmp_path}/nobody.sock", api_admin_token=ADMIN_TOKEN)
    async with calling(create_app(away)) as api:
        api.headers.update(ADMIN_HEADERS)
        at = f"{PATH}/{(await added(api))['id']}"
        assert (await api.post(f"{at}/pause")).json()["active"] is False
        assert (await api.delete(at)).status_code == 204


async def test_a_cron_monitor_waits_for_its_minute(api):
    monitor = await added(api, cron="0 3 1 1 *", timezone="Europe/Berlin")
    assert (monitor["interval"], monitor["cron"], monitor["timezone"]) == (None, "0 3 1 1 *", "Europe/Berlin")
    assert await due_set.oldest_due_ms() > clock.now_ms() + 60_000
    back = await api.put(f"{PATH}/{monitor['id']}", json={k: monitor[k] for k in ("interval", "cron", "timezone")})
    assert (back.status_code, back.json()["cron"]) == (200, "0 3 1 1 *")


async def test_a_monitor_on_demand_runs_on_request(api):
    monitor = await added(api, interval=None)
    assert (await due_set.oldest_due_ms(), await due_set.list_scheduled()) == (0, {})
    running = asyncio.create_task(api.post(f"{PATH}/{monitor['id']}/run"))
    async with asyncio.timeout(20):
        while not (jobs := await jobs_of(CheckBatch)):
            await asyncio.sleep(0.01)
    (slot,) = jobs[0].slots
    snapshots = {one.series: one for one in await monitors.list_snapshots([slot.series])}
    outcome = make.outcome(series=slot.series, at_ms=slot.at_ms, early=True)
    await results.store_results(make.results(outcome), snapshots, clock.now_ms())
    await due_set.mark_stored([due_set.StoredSlot(slot.series, slot.at_ms)])
    assert (await running).json()["status"] == 1


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"cron": "0 3 * * *", "interval": 60}, "cron"),
        ({"cron": "61 * * * *"}, "cron"),
        ({"cron": "* * * * *", "timezone": "Mars/Olympus"}, "timezone"),
        ({"interval": 4}, "interval"),
    ],
)
async def test_a_schedule_that_can_not_be_is_refused_by_its_field(api, fields, wrong):
    response = await api.post(PATH, json=make.monitor_json(**fields))
    assert (response.status_code, response.json()["error"]["details"]["fields"][0]["field"]) == (422, wrong)


async def test_an_operator_sets_the_status_of_a_manual_monitor_and_it_is_checked_at_once(api):
    monitor = await added(api, type_="manual", interval=3_600)
    response = await api.put(f"{PATH}/{monitor['id']}/status", json={"status": "down", "message": "burst pipe"})
    assert (response.status_code, response.json()["config"]) == (
        200,
        {"type": "manual", "status": "down", "message": "burst pipe"},
    )
    assert 0 < await due_set.oldest_due_ms() <= clock.now_ms()
    rejected = await api.put(f"{PATH}/{monitor['id']}/status", json={"status": "fine"})
    assert (rejected.status_code, rejected.json()["error"]["details"]["fields"][0]["field"]) == (422, "status")


async def test_the_status_of_a_checked_monitor_can_not_be_set(api):
    monitor = await added(api)
    response = await api.put(f"{PATH}/{monitor['id']}/status", json={"status": "down"})
    assert (response.status_code, response.json()["error"]["code"]) == (409, "CONFLICT")


async def test_a_group_within_itself_is_refused_by_its_member(api):
    inner = await added(api, type_="group", config={"members": [(await added(api))["id"]]})
    outer = await added(api, type_="group", config={"members": [inner["id"]]})
    response = await api.patch(f"{PATH}/{inner['id']}", json={"config": {"members": [outer["id"]]}})
    assert (response.status_code, response.json()["error"]["details"]["fields"][0]["field"]) == (
        422,
        "config.members.0",
    )
