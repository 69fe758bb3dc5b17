"""Incidents over HTTP: operators create and acknowledge, admins delete, viewers of the monitor read."""

import pytest

from app.store.monitoring import series
from app.store.transactions import results
from schema.events import EventKind
from schema.status import Role
from tests import make
from tests.app.api.credentials import signed_in
from tests.app.api.loop_socket import LoopSocket
from tests.app.api.running_app import ADMIN_TOKEN, version_of

PATH = "/api/v1/incidents"
ADMIN_HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
OUT = {"title": "Provider is out", "text": "We are on it.", "is_public": True}


@pytest.fixture
def api(client):
    client.headers.update(ADMIN_HEADERS)
    return client


async def written(api, **changes) -> dict:
    response = await api.post(PATH, json={**OUT, **changes})
    assert response.status_code == 201, response.text
    return response.json()


async def outage(api, **changes) -> dict:
    """The incident of a monitor that is down."""
    monitor = (await api.post("/api/v1/monitors", json=make.monitor_json(**changes))).json()
    (snapshot,) = await series.list_snapshots(await series.list_numbers(monitor["id"]))
    down = make.down(series=snapshot.series, at_ms=make.NOW_MS)
    await results.store_results(make.results(down), {snapshot.series: snapshot}, make.NOW_MS)
    (one,) = (await api.get(f"/api/v1/monitors/{monitor['id']}/incidents")).json()["incidents"]
    return one


def fields_of(response) -> list[str]:
    assert response.status_code == 422, response.text
    return [one["field"] for one in response.json()["error"]["details"]["fields"]]


async def test_an_incident_is_written_read_changed_annotated_resolved_and_removed(api):
    made = await written(api)
    at = f"{PATH}/{made['id']}"
    assert (made["kind"], made["status"], made["monitor"], made["is_public"]) == ("manual", "open", None, True)
    assert [(one["kind"], one["text"], one["author"]) for one in made["timeline"]] == [
        ("detected", "", "api-admin"), ("note", "We are on it.", "api-admin"),
    ]  # fmt: skip
    assert (await api.get(at)).json() == made
    changed = await api.patch(at, json={"post_mortem": "A cable."}, headers={"If-Match": '"1"'})
    assert (changed.json()["post_mortem"], version_of(changed)) == ("A cable.", 2)
    assert (await api.put(at, json={"title": "x"}, headers={"If-Match": '"1"'})).status_code == 412
    note = await api.post(f"{at}/notes", json={"text": "Half of it is back."})
    assert (note.status_code, note.json()["kind"], note.json()["author"]) == (201, "note", "api-admin")
    done = (await api.post(f"{at}/resolve")).json()
    assert (done["status"], done["timeline"][-1]["kind"]) == ("resolved", "resolved")
    assert (await api.post(f"{at}/acknowledge")).status_code == 409
    assert (await api.delete(at)).status_code == 204
    assert (await api.get(at)).json()["error"]["details"] == {"resource": "incident", "id": made["id"]}


async def test_an_outage_is_acknowledged_once_and_ends_with_its_monitor(api):
    at = f"{PATH}/{(await outage(api))['id']}"
    first, second = [(await api.post(f"{at}/acknowledge")).json() for _ in range(2)]
    assert (first["status"], first["acknowledged_by"], second) == ("acknowledged", "api-admin", first)
    assert (await api.post(f"{at}/resolve")).status_code == 409
    assert (await api.delete(at)).status_code == 409


async def test_invalid_fields_are_named(api):
    assert fields_of(await api.post(PATH, json={"title": "", "colour": "red"})) == ["title", "colour"]
    assert fields_of(await api.post(PATH, json={**OUT, "monitor_id": UNKNOWN_ID})) == ["monitor_id"]
    assert fields_of(await api.post(PATH, json={**OUT, "started_at": "2099-01-01T00:00:00Z"})) == ["started_at"]
    assert fields_of(await api.post(PATH, json={**OUT, "started_at": "2026-01-01T00:00:00"})) == ["started_at"]
    at = f"{PATH}/{(await written(api))['id']}"
    assert fields_of(await api.post(f"{at}/notes", json={"text": ""})) == ["text"]
    assert fields_of(await api.patch(at, json={"status": "resolved"})) == ["status"]
    for query in ("status=over", "kind=odd", "sort=color", "from=yesterday", "monitor_id=x", "q=x"):
        assert fields_of(await api.get(f"{PATH}?{query}")) == [query.partition("=")[0]], query


async def test_a_list_is_whole_under_its_name_or_paged_and_filtered(api):
    down = await outage(api, name="mail")
    await written(api)
    whole = (await api.get(PATH)).json()
    assert ([one["title"] for one in whole["incidents"]], whole["total"]) == ([OUT["title"], "mail is down"], 2)
    assert "timeline" not in whole["incidents"][0]
    page = (await api.get(f"{PATH}?limit=1&sort=title&order=asc")).json()
    assert ([one["title"] for one in page["data"]], page["pagination"]["total"]) == (["mail is down"], 2)
    for query in ("kind=automatic", "to=2026-11-20T00:00:00Z", f"monitor_id={down['monitor']['id']}"):
        assert [one["id"] for one in (await api.get(f"{PATH}?{query}")).json()["incidents"]] == [down["id"]], query
    assert (await api.get(f"{PATH}?status=acknowledged")).json()["total"] == 0


async def test_figures_are_of_the_requested_period(api):
    down = await outage(api)
    await api.post(f"{PATH}/{(await written(api))['id']}/resolve")
    found = (await api.get(f"{PATH}/metrics")).json()
    assert (found["count"], found["open"], found["resolved"], found["mtta"]) == (2, 1, 1, None)
    only = (await api.get(f"{PATH}/metrics?monitor_id={down['monitor']['id']}")).json()
    assert (only["count"], only["mttr"]) == (1, None)
    assert (await api.get(f"{PATH}/metrics?to=2020-01-01T00:00:00Z")).json()["count"] == 0


async def test_a_viewer_looks_and_touches_nothing_and_an_operator_does_all_but_delete(client, admin):
    made = (await client.post(PATH, json=OUT, headers=ADMIN_HEADERS)).json()
    at = f"{PATH}/{made['id']}"
    changes = [("POST", PATH), ("PATCH", at), ("POST", f"{at}/notes"), ("POST", f"{at}/acknowledge")]
    viewer, operator = await signed_in(client, Role.VIEWER, "bob"), await signed_in(client, Role.OPERATOR, "eve")
    assert {(await client.get(path, headers=viewer)).status_code for path in (PATH, at, f"{PATH}/metrics")} == {200}
    assert {(await client.request(*one, json={}, headers=viewer)).status_code for one in changes} == {403}
    acknowledged = await client.post(f"{at}/acknowledge", headers=operator)
    assert acknowledged.json()["acknowledged_by"] == "eve"
    assert (await client.delete(at, headers=operator)).status_code == 403


async def test_incidents_are_live(api, application):
    socket = LoopSocket(application, ADMIN_HEADERS)
    await socket.ask(type="subscribe", channels=["incidents"])
    made = await written(api)
    messages = await socket.receive()
    assert (messages["channel"], messages["event"]) == ("incidents", EventKind.INCIDENT_OPENED)
    assert messages["data"]["incident"] == {"id": made["id"], "title": OUT["title"]}
    await api.post(f"{PATH}/{made['id']}/acknowledge")
    assert (await socket.receive())["event"] == EventKind.INCIDENT_ACKNOWLEDGED
    await socket.hang_up()
