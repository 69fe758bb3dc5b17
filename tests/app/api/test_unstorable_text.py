"""Texts that no database stores (U+0000, half a surrogate pair) are refused on every route, never a 500."""

import re
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from tests.app.api.running_app import ADA, ADMIN_TOKEN, Client, Headers

APP = Path(__file__).parents[3] / "app"
ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
ID = "11111111-1111-4111-8111-111111111111"
ODD = ["a%00b", "%ED%A0%80", "%FF", "%C0%80", "a%E2%80%AEb", "-1", "99999999999999999999"]
TEXTS = [b"a\0b", b"\xff\xed\xa0\x80", b"http://[::1", b"[", b"", b"pk_\0", b"\x01" * 300]
TEXTS += [b"Bearer a\0b", b"Basic \xff", b"session_id=a\0b; oidc_sign_in=\0", b"session_id=a%00b.c%ED%A0%80"]
ME, LOGIN = "/api/v1/auth/me", "/api/v1/auth/login"
# every header that we read
READ = [
    "Accept", "Accept-Encoding", "Authorization", "Content-Type", "Cookie", "Host", "Idempotency-Key", "If-Match",
    "If-None-Match", "Origin", "User-Agent", "X-API-Key", "X-CSRF-Token", "X-Forwarded-For", "X-Forwarded-Proto",
    "X-Request-ID",
]  # fmt: skip
NAMED = re.compile(
    r"headers(?:\.get(?:all)?\(|\[)\s*\"([\w-]+)\"|\"([\w-]+)\" (?:not )?in [\w.]*headers|headers?=\"([\w-]+)\""
)
WRITTEN = {
    "Retry-After",
    "WWW-Authenticate",
    "Content-Length",
    "Content-Encoding",
}  # into replies, or read from others' replies


def basic(pair: bytes) -> Headers:
    return {"Authorization": "Basic " + b64encode(pair).decode()}


def addresses(app: Litestar) -> Iterator[tuple[str, str]]:
    """Method and path of every route with a parameter, each of them odd in turn."""
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        for method in route.route_handler_map.keys() - {"OPTIONS"}:
            for turn in route.path_parameters:
                for odd in ODD:
                    parts = {name: odd if name == turn else ID for name in route.path_parameters}
                    yield method, route.path_format.format(**parts)


def faults(responses: dict[str, httpx.Response]) -> list[str]:
    return [f"{what}: {response.status_code}" for what, response in responses.items() if response.status_code >= 500]


async def test_no_path_is_a_fault(application: Litestar, client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    requests = list(addresses(application))
    assert len(requests) > 100
    responses = {f"{method} {path}": await client.request(method, path, headers=ADMIN) for method, path in requests}
    assert faults(responses) == []
    held = {
        what: response.status_code
        for what, response in responses.items()
        if "%00" in what and response.status_code != 404
    }
    assert held == {}
    assert not {"audit.crashed", "http.crashed"} & set(re.findall(r"\w+\.crashed", capsys.readouterr().out))


@pytest.mark.parametrize("pair", [b"a\0b:pw", b"ada:p\0w", b"\0:\0", b"a\xed\xa0\x80:pw", b"ada", b"\xff:\xff"])
@pytest.mark.parametrize("path", [ME, "/api/v1/monitors"])
async def test_basic_is_refused(client: Client, pair: bytes, path: str) -> None:
    assert (await client.get(path, headers=basic(pair))).status_code == 401
    assert (await client.post(path, headers=basic(pair), json={})).status_code in {401, 405}


@pytest.mark.parametrize("name", READ)
async def test_no_header_is_a_fault(client: Client, name: str) -> None:
    for text in [
        *TEXTS,
        b"Bearer a\0b",
        b"Basic \xff",
        b"session_id=a\0b; oidc_sign_in=\0",
        b"session_id=a%00b.c%ED%A0%80",
    ]:
        held = [(b"Authorization", ADMIN["Authorization"].encode())] if name not in {"Authorization", "Cookie"} else []
        responses = {
            "GET": await client.get(ME, headers=[*held, (name.encode(), text)]),
            "POST": await client.post("/api/v1/tags", json={"name": "a"}, headers=[*held, (name.encode(), text)]),
            "login": await client.post(LOGIN, json=ADA, headers=[(name.encode(), text)]),
            "passkey": await client.post(
                "/api/v1/auth/passkeys/login/options", json={"mfa_token": "a"}, headers=[(name.encode(), text)]
            ),
        }
        assert faults(responses) == [], text


def test_every_header_that_is_read_is_in_the_table() -> None:
    rooms = (APP / "api", APP / "security", APP / "pages")
    sources = "\n".join(one.read_text(encoding="utf-8") for room in rooms for one in room.rglob("*.py"))
    found = {name for names in NAMED.findall(sources) for name in names if name} - WRITTEN
    assert found <= set(READ), found - set(READ)


@pytest.mark.parametrize("query", ["q=a%00b", "q=%ED%A0%80", "a%00b=1", "page=99999999999999999999", "q=%FF"])
@pytest.mark.parametrize("path", ["/api/v1/monitors", "/api/v1/users", f"/api/v1/push/{'a' * 32}", "/ack/a%00b"])
async def test_no_query_is_a_fault(client: Client, path: str, query: str) -> None:
    assert (await client.get(f"{path}?{query}", headers=ADMIN)).status_code < 500


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"name": "a\\u0000b"}', 422),
        (b'{"a\\u0000b": 1, "name": "a"}', 422),
        (b'{"name": "\\ud800"}', 400),
        (b'{"name": "a\0b"}', 400),
        (b'{"name": "\xed\xa0\x80"}', 400),
    ],
)
async def test_a_body_is_refused(client: Client, body: bytes, status: int) -> None:
    headers = {**ADMIN, "Content-Type": "application/json"}
    assert (await client.post("/api/v1/tags", content=body, headers=headers)).status_code == status


@pytest.mark.parametrize("form", [b"username=a%00b&password=x", b"username=%ED%A0%80&password=x", b"a%00=1", b"\xff"])
async def test_a_form_is_refused(client: Client, form: bytes) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await client.post(LOGIN, content=form, headers=headers)).status_code in {400, 401, 422}
