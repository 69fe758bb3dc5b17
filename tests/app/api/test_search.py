"""Every list that takes `q` finds names in any script, ignoring case, on both databases alike."""

# ruff: noqa: RUF001  # other scripts are what is tested

from typing import Any

import pytest

from tests import make
from tests.app.api.running_app import ADMIN_TOKEN, Client, Headers

API = "/api/v1"
CHANNELS = f"{API}/notification-channels"
ADMIN_HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
DRAFTS: dict[str, dict[str, Any]] = {  # what is created at each path, without its name
    "/monitors": make.monitor_json(),
    "/tags": {},
    "/notification-channels": make.channel_json(),
    "/webhooks": {"url": "http://127.0.0.1:9/hook", "events": ["backend.*"]},
    "/proxies": {"protocol": "socks5h", "host": "proxy.lan", "port": 1080},
    "/escalations": {"repeat": 1},
    "/api-keys": {},
    "/users": {"email": "bob@example.org", "role": "viewer", "password": "seven green boats"},
    "/invitations": {"role": "viewer"},
}
NAMES = {"/users": "username", "/invitations": "email"}  # else `name`
SEARCHES = [  # name, what is searched, how many are found
    ("ÜBERWACHUNG", "überwachung", 1),
    ("überwachung", "ÜBERWACHUNG", 1),
    ("u\u0308berwachung", "Überwachung", 1),  # as macOS writes ü
    ("Поиск СЕРВЕР", "сервер", 1),
    ("ΣΙΣΥΦΟΣ", "σισυφος", 1),
    ("Σίσυφος", "ΣΊΣΥΦΟΣ", 1),
    ("Straße", "STRASSE", 1),
    ("STRASSE", "straße", 1),
    ("GROẞ", "groß", 1),
    ("İSTANBUL", "istanbul", 1),
    ("ISPARTA", "\u0131sparta", 1),
    ("\ufb01sh", "FISH", 1),
    ("Kelvin \u212a", "kelvin k", 1),
    ("ŁÓDŹ", "łódź", 1),
    ("ŁÓDŹ", "lodz", 0),
    ("überwachung", "uberwachung", 0),
    ("监控", "监", 1),
    ("100%_!", "%_!", 1),
    ("100 percent", "%", 0),
    ("a_b", "a.b", 0),
    ("web\\x", "\\", 1),
    ("web", "", 1),
]


@pytest.fixture
def api(client: Client) -> Client:
    client.headers.update(ADMIN_HEADERS)
    return client


async def created(api: Client, path: str, name: str) -> None:
    body = {**DRAFTS[path], NAMES.get(path, "name"): name}
    if path == "/escalations":
        channel = (await api.post(CHANNELS, json=make.channel_json())).json()
        body["steps"] = [{"after": 300, "channel_ids": [channel["id"]]}]
    response = await api.post(f"{API}{path}", json=body)
    assert response.status_code == 201, response.text


async def found(api: Client, path: str, text: str) -> int:
    response = await api.get(f"{API}{path}", params={"q": text})
    assert response.status_code == 200, response.text
    n: int = response.json()["total"]
    return n


@pytest.mark.parametrize(("name", "text", "is_found"), SEARCHES)
async def test_a_monitor_is_found_by_its_name_in_any_case(api: Client, name: str, text: str, is_found: int) -> None:
    await created(api, "/monitors", name)
    assert await found(api, "/monitors", text) == is_found


@pytest.mark.parametrize("path", DRAFTS)
async def test_each_list_finds_a_name_in_any_case(api: Client, admin: Headers, path: str) -> None:
    if path == "/api-keys":
        api.headers.update(admin)  # a key needs an owner
    name = "ÜBERWACHUNG_СЕРВЕР"
    await created(api, path, f"{name}@example.org" if path == "/invitations" else name)
    for text in ("überwachung", "Сервер", "wachung_с"):
        assert await found(api, path, text) == 1
    for text in ("wachung%с", "waechung", "wachung.с"):
        assert await found(api, path, text) == 0


async def test_every_list_with_a_search_is_tried(api: Client) -> None:
    document = (await api.get(f"{API}/openapi.json")).json()
    searched = {
        path.removeprefix(API)
        for path, item in document["paths"].items()
        if any(one.get("name") == "q" for one in item.get("get", {}).get("parameters", ()))
    }
    assert searched == set(DRAFTS)
