"""One action on many monitors: each is done or refused by itself, and every result is returned."""

from typing import Any

import pytest

from app import db
from app.store.audit import log
from app.store.audit.log import AuditQuery
from schema.status import Role
from tests import make
from tests.app.api.credentials import signed_in
from tests.app.api.running_app import ADMIN_TOKEN

PATH = "/api/v1/monitors"
BULK = f"{PATH}/bulk"
UNKNOWN_ID = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def api(client: Any) -> Any:
    client.headers["Authorization"] = f"Bearer {ADMIN_TOKEN}"
    return client


async def added(api: Any, path: str = PATH, **body: Any) -> str:
    response = await api.post(path, json=body or make.monitor_json())
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


async def named(api: Any, *names: str) -> list[str]:
    return [await added(api, **make.monitor_json(name=name)) for name in names]


async def done(api: Any, action: str, **body: Any) -> Any:
    response = await api.post(BULK, json={"action": action, **body})
    assert response.status_code == 200, response.text
    return response.json()


async def monitors(api: Any) -> dict[str, Any]:
    return {one["name"]: one for one in (await api.get(PATH)).json()["monitors"]}


async def test_each_is_done_or_refused_by_itself(api: Any) -> None:
    one, two = await named(api, "one", "two")
    found = await done(api, "pause", ids=[one, UNKNOWN_ID, two, one])
    assert [(item["id"], item["ok"]) for item in found["results"]] == [(one, True), (UNKNOWN_ID, False), (two, True)]
    assert (found["done"], found["failed"]) == (2, 1)
    assert found["results"][1]["error"]["code"] == "RESOURCE_NOT_FOUND"
    assert "error" not in found["results"][0]
    assert {monitor["active"] for monitor in (await monitors(api)).values()} == {False}


@pytest.mark.parametrize(
    ("filter_", "meant"),
    [
        ({}, {"one", "two", "other"}),
        ({"q": "O"}, {"one", "two", "other"}),
        ({"q": "on"}, {"one"}),
        ({"tag": "home"}, {"two"}),
        ({"type": "push"}, set()),
        ({"active": True, "status": 5, "type": "http"}, {"one", "two", "other"}),
        ({"status": 1}, set()),
    ],
)
async def test_a_filter_selects_monitors(api: Any, filter_: dict[str, Any], meant: set[str]) -> None:
    _, two, _ = await named(api, "one", "two", "other")
    tag = await added(api, "/api/v1/tags", name="home")
    await api.patch(f"{PATH}/{two}", json={"tag_ids": [tag]})
    await done(api, "pause", filter=filter_)
    assert {name for name, monitor in (await monitors(api)).items() if not monitor["active"]} == meant


async def test_tags_and_channels_are_added_and_removed_beside_others(api: Any) -> None:
    ids = await named(api, "one", "two")
    first, second = [await added(api, "/api/v1/tags", name=name) for name in ("a", "b")]
    channel = await added(api, "/api/v1/notification-channels", **make.channel_json())
    await api.patch(f"{PATH}/{ids[0]}", json={"tag_ids": [first]})
    await done(api, "add_tags", ids=ids, tag_ids=[second])
    await done(api, "add_channels", ids=ids, notification_channel_ids=[channel])
    found = await monitors(api)
    assert [[tag["name"] for tag in found[name]["tags"]] for name in ("one", "two")] == [["a", "b"], ["b"]]
    assert {tuple(one["notification_channel_ids"]) for one in found.values()} == {(channel,)}
    await done(api, "remove_tags", ids=ids, tag_ids=[second])
    await done(api, "remove_channels", ids=[ids[0]], notification_channel_ids=[channel])
    found = await monitors(api)
    assert [[tag["name"] for tag in found[name]["tags"]] for name in ("one", "two")] == [["a"], []]
    assert [found[name]["notification_channel_ids"] for name in ("one", "two")] == [[], [channel]]


async def test_adding_a_tag_twice_changes_a_monitor_once(api: Any) -> None:
    ids = await named(api, "one")
    tag = await added(api, "/api/v1/tags", name="a")
    for _ in range(2):
        await done(api, "add_tags", ids=ids, tag_ids=[tag])
    assert (await monitors(api))["one"]["version"] == 2


async def test_a_tag_that_there_is_not_is_an_error_of_each(api: Any) -> None:
    ids = await named(api, "one", "two")
    found = await done(api, "add_tags", ids=ids, tag_ids=[UNKNOWN_ID])
    assert [one["error"]["code"] for one in found["results"]] == ["VALIDATION_ERROR"] * 2


async def test_reset_and_delete(api: Any) -> None:
    ids = await named(api, "one", "two", "three")
    assert (await done(api, "reset", ids=ids))["done"] == 3
    assert (await done(api, "delete", ids=ids[:2]))["done"] == 2
    assert set(await monitors(api)) == {"three"}
    (left,) = await db.rows("SELECT count(*) AS n FROM series WHERE deleted_ms IS NULL")
    assert left["n"] == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "action"),
        ({"action": "explode", "ids": []}, "action"),
        ({"action": "pause"}, "ids"),
        ({"action": "pause", "ids": [], "filter": {}}, "ids"),
        ({"action": "add_tags", "ids": []}, "tag_ids"),
        ({"action": "remove_channels", "filter": {}}, "notification_channel_ids"),
        ({"action": "pause", "ids": [UNKNOWN_ID] * 1_001}, "ids"),
        ({"action": "pause", "filter": {"colour": "red"}}, "filter.colour"),
    ],
)
async def test_invalid_bulk_requests_are_rejected_with_their_field(api: Any, body: dict[str, Any], field: str) -> None:
    response = await api.post(BULK, json=body)
    assert (response.status_code, response.json()["error"]["details"]["fields"][0]["field"]) == (422, field)


@pytest.mark.parametrize(("action", "status"), [("pause", 200), ("resume", 200), ("delete", 403), ("reset", 403)])
async def test_operators_pause_and_resume_and_no_more(client: Any, action: str, status: int) -> None:
    headers = await signed_in(client, Role.OPERATOR)
    response = await client.post(BULK, json={"action": action, "ids": []}, headers=headers)
    assert response.status_code == status


async def test_the_audit_log_names_the_monitors(api: Any) -> None:
    ids = await named(api, "one", "two")
    await done(api, "pause", ids=ids)
    entries, _ = await log.list_page(AuditQuery(limit=1))
    assert entries[0].change["monitors"] == ids
