"""A copy of a monitor has all its original has; a monitor that is reset begins its history anew."""

from typing import Any

import pytest

from app import clock, due_set
from app.store.history import heartbeats
from app.store.history.heartbeats import HeartbeatQuery
from app.store.incidents import incidents
from app.store.incidents.incidents import IncidentQuery
from app.store.transactions import monitors, results
from schema.field_types import MASK, NAME_LIMIT
from schema.incidents import IncidentKind
from schema.status import Status
from schema.targets import Push
from tests import make
from tests.app.api.running_app import ADMIN_TOKEN, version_of

PATH = "/api/v1/monitors"
UNKNOWN_ID = f"{PATH}/00000000-0000-0000-0000-000000000000"
SECRET = {"url": "http://127.0.0.1:9/", "auth": {"method": "bearer", "token": "sesame"}}


@pytest.fixture
def api(client: Any) -> Any:
    client.headers["Authorization"] = f"Bearer {ADMIN_TOKEN}"
    return client


async def added(api: Any, path: str = PATH, **body: Any) -> dict[str, Any]:
    response = await api.post(path, json=body or make.monitor_json())
    assert response.status_code == 201, response.text
    thing: dict[str, Any] = response.json()
    return thing


async def stored(monitor_id: str, *status: Status) -> None:
    """Results of a monitor's checks, a second apart, as the worker hands them on."""
    snapshots = {one.series: one for one in await monitors.list_snapshots(range(1, 9)) if one.monitor_id == monitor_id}
    ((number, snapshot),) = snapshots.items()
    start = clock.now_ms()
    outcomes = [
        make.outcome(series=number, version=snapshot.version, at_ms=start + n * 1000, status=one)
        for n, one in enumerate(status)
    ]
    await results.store_results(make.results(*outcomes), snapshots, start)


async def test_a_copy_has_all_that_its_original_has(api: Any) -> None:
    tag = await added(api, "/api/v1/tags", name="home")
    channel = await added(api, "/api/v1/notification-channels", **make.channel_json())
    parent = await added(api)
    original = await added(
        api,
        **make.monitor_json(
            "http", SECRET, name="site", interval=30, timeout=5, max_retries=2, active=False, upside_down=True,
            tag_ids=[tag["id"]], notification_channel_ids=[channel["id"]], parent_ids=[parent["id"]],
        ),
    )  # fmt: skip
    copy = await added(api, f"{PATH}/{original['id']}/clone", name="site 2")
    its_own = {"id", "name", "created_at", "updated_at"}
    assert {key for key in copy if copy[key] != original[key]} == its_own
    assert copy["name"] == "site 2"
    assert copy["config"]["auth"]["token"] == MASK


async def test_the_secret_of_a_copy_is_the_originals(api: Any) -> None:
    original = await added(api, **make.monitor_json("http", SECRET))
    response = await api.post(f"{PATH}/{original['id']}/clone")
    assert response.status_code == 201
    assert (response.json()["name"], version_of(response)) == (f"{original['name']} (copy)", 1)
    targets = [one.target for one in await monitors.list_snapshots([1, 2])]
    assert targets[0] == targets[1]
    assert "sesame" in str(targets[1])


async def test_a_copy_of_a_push_monitor_has_a_token_of_its_own(api: Any) -> None:
    original = await added(api, **make.monitor_json("push", {}))
    copy = await added(api, f"{PATH}/{original['id']}/clone", name="two")
    tokens = {one["config"]["token"] for one in (original, copy)}
    assert len(tokens) == 2
    assert MASK not in tokens
    for token in tokens:
        assert (await api.get(f"/api/v1/push/{token}")).status_code == 200


async def test_a_copys_name_is_as_long_as_a_name_may_be(api: Any) -> None:
    original = await added(api, **make.monitor_json(name="n" * NAME_LIMIT))
    copy = (await api.post(f"{PATH}/{original['id']}/clone")).json()
    assert copy["name"] == "n" * (NAME_LIMIT - 7) + " (copy)"


@pytest.mark.parametrize(("body", "status"), [({"name": ""}, 422), ({"config": {}}, 422), ({"name": None}, 201)])
async def test_a_copy_is_named_and_nothing_else(api: Any, body: dict[str, Any], status: int) -> None:
    original = await added(api)
    assert (await api.post(f"{PATH}/{original['id']}/clone", json=body)).status_code == status


@pytest.mark.parametrize("action", ["clone", "reset"])
async def test_a_monitor_there_is_not_is_neither_copied_nor_reset(api: Any, action: str) -> None:
    assert (await api.post(f"{UNKNOWN_ID}/{action}")).status_code == 404


async def test_a_reset_begins_the_history_anew_and_the_checks_go_on(api: Any) -> None:
    monitor = await added(api)
    await stored(monitor["id"], Status.UP, Status.UP)
    at = f"{PATH}/{monitor['id']}"
    assert (await api.get(f"{at}/heartbeats")).json()["total"] == 2
    before = (await api.get(at)).json()
    response = await api.post(f"{at}/reset", headers={"If-Match": '"1"'})
    assert (response.status_code, version_of(response)) == (200, 2)
    assert (before["status"], response.json()["status"], response.json()["status_since"]) == (
        Status.UP,
        Status.UNKNOWN,
        None,
    )
    assert (await api.get(f"{at}/heartbeats")).json()["total"] == 0
    assert (await heartbeats.list_page(HeartbeatQuery()))[0] == []
    await stored(monitor["id"], Status.UP)
    assert (await api.get(f"{at}/heartbeats")).json()["total"] == 1
    assert (await api.get(at)).json()["status"] == Status.UP
    assert (await api.get(PATH)).json()["total"] == 1


async def test_late_results_from_before_a_reset_are_not_stored(api: Any) -> None:
    monitor = await added(api)
    (old,) = await monitors.list_snapshots([1])
    await api.post(f"{PATH}/{monitor['id']}/reset")
    late = make.results(make.outcome(series=old.series, at_ms=clock.now_ms(), status=Status.DOWN))
    snapshots = {one.series: one for one in await monitors.list_snapshots([old.series])}
    assert snapshots == {}
    await results.store_results(late, snapshots, clock.now_ms())
    assert (await api.get(f"{PATH}/{monitor['id']}")).json()["status"] == Status.UNKNOWN


async def test_the_due_set_holds_the_new_series_and_not_the_old_one(api: Any) -> None:
    monitor = await added(api)
    await due_set.mark_built()
    await api.post(f"{PATH}/{monitor['id']}/reset")
    (plan,) = await monitors.list_schedules()
    assert {slot.series for slot in (await due_set.claim_due(10)).slots} == {plan.series} != {1}


async def test_an_outage_that_lasts_ends_with_a_reset_and_stays_on_record(api: Any) -> None:
    monitor = await added(api)
    await stored(monitor["id"], Status.DOWN)
    await api.post(f"{PATH}/{monitor['id']}/reset")
    ((one,), _) = await incidents.list_page(IncidentQuery())
    assert one.kind == IncidentKind.AUTOMATIC
    assert one.resolved_at is not None
    story = (await api.get(f"/api/v1/incidents/{one.id}")).json()
    assert "The monitor's history was reset." in str(story)
    await stored(monitor["id"], Status.DOWN)
    (found, _) = await incidents.list_page(IncidentQuery())
    assert [other.resolved_at is None for other in found].count(True) == 1


async def test_a_push_monitor_that_is_reset_is_reported_to_as_before(api: Any) -> None:
    monitor = await added(api, **make.monitor_json("push", {}))
    address = f"/api/v1/push/{monitor['config']['token']}"
    assert (await api.get(address)).status_code == 200
    await api.post(f"{PATH}/{monitor['id']}/reset")
    assert (await api.get(address)).status_code == 200
    (snapshot,) = await monitors.list_snapshots([2])
    assert isinstance(snapshot.target, Push)
