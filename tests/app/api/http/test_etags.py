"""A change made from an old copy is refused, on everything that has a version: made from the application itself."""

from typing import Any

import msgspec
import pytest
from litestar import Litestar

from app.api.openapi import document
from tests import make
from tests.app.api.running_app import ADMIN_TOKEN

ADMIN_HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
METHODS = ("put", "patch", "delete")
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
