"""A change made from an old copy is refused, on everything that has a version: made from the application itself."""

from typing import Any

import msgspec
import pytest
from litestar import Litestar

from app import db
from app.api.openapi import document
from tests import make
from tests.app.api.running_app import ADMIN_TOKEN

ADMIN_HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
METHODS = ("put", "patch", "delete")
GONE = "00000000-0000-4000-8000-000000000000"
THINGS = [
    ("/api/v1/monitors", make.monitor_json()),
    ("/api/v1/notification-channels", make.channel_json()),
    ("/api/v1/proxies", {"name": "office", "protocol": "http", "host": "proxy.lan", "port": 1}),
    ("/api/v1/checks", {"name": "web", "plugin_type": "http", "config": {"url": "http://127.0.0.1:9/"}}),
    ("/api/v1/webhooks", {"url": "http://127.0.0.1:9/", "events": ["*"], "secret": "sesame"}),
]


@pytest.fixture
def api(client):
    client.headers.update(ADMIN_HEADERS)
    return client


@pytest.fixture
def spec(application: Litestar) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(document.build_document(application))
    return found


def versioned(spec: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """(path, method, operation) of whatever changes a thing that is read with a version."""
    named = {name for name, one in spec["components"]["schemas"].items() if "version" in one.get("properties", {})}
    found = []
    for path, item in spec["paths"].items():
        read = item.get("get", {}).get("responses", {}).get("200", {}).get("content", {}).get("application/json", {})
        name = str(read.get("schema", {}).get("$ref", "")).rpartition("/")[2]
        if name in named or path == "/api/v1/checks/{check_id}":  # a monitor in another format
            found += [(path, method, item[method]) for method in METHODS if method in item]
    return found


def test_every_route_that_changes_a_thing_with_a_version_takes_if_match(spec: dict[str, Any]) -> None:
    found = versioned(spec)
    assert {path.split("/")[3] for path, _, _ in found} >= {"monitors", "notification-channels", "proxies", "checks"}
    for path, method, operation in found:
        headers = {one["name"] for one in operation.get("parameters", []) if one["in"] == "header"}
        assert ("If-Match" in headers, "412" in operation["responses"]) == (True, True), (method, path)


@pytest.mark.parametrize(("path", "good"), THINGS)
@pytest.mark.parametrize("known", ['"999"', 'W/"999"', '"of somebody else"', "1"])
async def test_an_old_copy_changes_nothing(api, spec, path, good, known):
    at = f"{path}/{(await api.post(path, json=good)).json()['id']}"
    before = await api.get(at)
    methods = [method for one, method, _ in versioned(spec) if one.startswith(f"{path}/")]
    assert set(methods) >= {"put", "delete"}
    for method in methods:
        sent = {} if method == "delete" else {"json": {"name": "changed"}}
        response = await api.request(method, at, headers={"If-Match": known}, **sent)
        assert (response.status_code, response.json()["error"]["code"]) == (412, "PRECONDITION_FAILED"), method
    after = await api.get(at)
    assert (after.json(), after.headers["ETag"]) == (before.json(), before.headers["ETag"])


@pytest.mark.parametrize(("path", "good"), THINGS)
async def test_the_newest_copy_changes_it_and_its_etag(api, path, good):
    made = await api.post(path, json=good)
    at, tag = f"{path}/{made.json()['id']}", made.headers["ETag"]
    changed = await api.put(at, json={"name": "changed"}, headers={"If-Match": tag})
    assert (changed.status_code, changed.json()["name"]) == (200, "changed")
    assert changed.headers["ETag"] == (await api.get(at)).headers["ETag"] != tag
    assert (await api.delete(at, headers={"If-Match": tag})).status_code == 412
    assert (await api.delete(at, headers={"If-Match": "*"})).status_code == 204


LISTS = [  # on version 2: what is sent, and the status of the reply
    ('"2"', 200),
    ('"nope", "2"', 200),
    ('"2" , "7"', 200),
    ('"1","3"', 412),
    ('W/"2"', 412),
    ('W/"2", "2"', 200),
    ('"2-0123456789ab"', 200),
    ('"3-0123456789ab", "1"', 412),
    ('"a, b", "2"', 200),
    ('"2, 3"', 412),
    ("2", 412),
    (" * ", 200),
    ('"*"', 412),
]


@pytest.mark.parametrize(("sent", "status"), LISTS)
async def test_one_strong_tag_of_a_list_is_enough(api, sent: str, status: int) -> None:
    path, good = THINGS[2]
    at = f"{path}/{(await api.post(path, json=good)).json()['id']}"
    await api.patch(at, json={"name": "second"})
    response = await api.patch(at, json={"name": "third"}, headers={"If-Match": sent})
    assert response.status_code == status, response.text


async def test_the_header_may_be_sent_several_times(api) -> None:
    path, good = THINGS[2]
    at = f"{path}/{(await api.post(path, json=good)).json()['id']}"
    for tags, status in ((("nope", "7"), 412), (("nope", "1"), 200)):
        headers = [("If-Match", f'"{tag}"') for tag in tags]
        assert (await api.patch(at, json={"name": "x"}, headers=headers)).status_code == status


def read_with_etag(spec: dict[str, Any]) -> set[str]:
    """The paths of GET operations whose response has an ETag."""
    return {
        path
        for path, item in spec["paths"].items()
        if "ETag" in item.get("get", {}).get("responses", {}).get("200", {}).get("headers", {})
    }


def test_every_read_with_an_etag_has_its_304_in_the_document(spec: dict[str, Any]) -> None:
    paths = read_with_etag(spec)
    assert len(paths) >= 11
    for path in paths:
        operation = spec["paths"][path]["get"]
        assert "If-None-Match" in {one["name"] for one in operation["parameters"]}, path
        assert "content" not in operation["responses"]["304"], path
        assert {"ETag", "X-Request-ID"} <= set(operation["responses"]["304"]["headers"]), path


OTHERS: list[tuple[str, dict[str, Any]]] = [
    *THINGS,
    ("/api/v1/tags", {"name": "site"}),
    (
        "/api/v1/users",
        {"username": "bob", "email": "bob@example.org", "role": "viewer", "password": "seven green boats"},
    ),
    ("/api/v1/incidents", {"title": "A cable"}),
]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("path", "good"), [*OTHERS, ("/api/v1/settings/key/egress.checks", {})])
async def test_a_copy_that_is_the_newest_is_not_sent_again(api, path: str, good: dict[str, Any], method: str) -> None:
    at = f"{path}/{(await api.post(path, json=good)).json()['id']}" if good else path
    first = await api.request(method, at)
    tag = first.headers["ETag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        response = await api.request(method, at, headers={"If-None-Match": known})
        assert (response.status_code, response.content) == (304, b""), known
        assert response.headers["ETag"] == tag
        assert "Content-Type" not in response.headers
        assert "X-Request-ID" in response.headers
    for known in ('"other"', tag.strip('"'), '"1"'):
        response = await api.request(method, at, headers={"If-None-Match": known})
        assert response.status_code == 200, known
        assert (response.content == b"") is (method == "HEAD")


async def test_a_copy_with_an_older_status_is_sent_again(api) -> None:
    monitor = (await api.post("/api/v1/monitors", json=make.monitor_json("manual"))).json()
    at = f"/api/v1/monitors/{monitor['id']}"
    before = await api.get(at)
    await db.rows("UPDATE series SET status = 1 - status WHERE status IN (0, 1)")
    await db.rows("UPDATE series SET status = 0 WHERE status > 1")
    after = await api.get(at, headers={"If-None-Match": before.headers["ETag"]})
    assert after.json()["version"] == before.json()["version"]
    assert (after.status_code, after.json()["status"] != before.json()["status"]) == (200, True)
    change = await api.patch(at, json={"name": "x"}, headers={"If-Match": before.headers["ETag"]})
    assert change.status_code == 200


async def test_a_refusal_and_a_list_are_never_a_304(api) -> None:
    for path, status in (("/api/v1/monitors", 200), (f"/api/v1/monitors/{GONE}", 404), ("/api/v1/version", 200)):
        assert (await api.get(path, headers={"If-None-Match": "*"})).status_code == status
