"""A POST that is sent twice with one `Idempotency-Key` is carried out once, and answered twice."""

import asyncio
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from litestar import Litestar, post
from litestar.params import JSONBody

from app import db
from app.api.http.idempotency import REPLAYED_HEADER
from app.errors import TooMany, Unavailable, Upstream
from app.main import create_app
from app.security.auth.policy import ADMIN, ANYONE
from app.store.audit import log
from app.store.audit.log import AuditQuery
from app.store.identity import sessions
from app.store.system import idempotency
from tests import make
from tests.app.api.running_app import ADMIN_TOKEN, Client, Headers, calling

PATH = "/api/v1/proxies"
ADMIN_HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
PROXY = {"name": "office", "protocol": "socks5h", "host": "proxy.lan", "port": 1080, "password": "sesame"}
SHOWN_ONCE = "pk_shown-once"


def keyed(key: str = "order-7", **more: str) -> Headers:
    return {**ADMIN_HEADERS, "Idempotency-Key": key, **more}


class Wish(msgspec.Struct):
    wanted: str = "nothing"


class CountingEndpoint:
    """A route that behaves as requested, and counts its calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.opened, self.entered = asyncio.Event(), asyncio.Event()

    async def answer(self, wanted: str) -> dict[str, Any]:
        self.calls += 1
        if wanted == "wait":
            self.entered.set()
            await self.opened.wait()
        if wanted == "fail":
            raise Unavailable("Not now.")
        if wanted == "break":
            raise Upstream("It is done here, and not there.")
        if wanted == "crash":
            raise ZeroDivisionError
        if wanted == "flood":
            raise TooMany("Slowly.", retry_after_s=1)
        return {"calls": self.calls, "secret": SHOWN_ONCE, "much": "x" * 70_000 if wanted == "much" else ""}


@pytest.fixture
def endpoint() -> CountingEndpoint:
    return CountingEndpoint()


@pytest.fixture
def application(database, endpoint: CountingEndpoint) -> Litestar:
    sessions.clear_cache()

    @post("/api/v1/gate", guards=[ADMIN], operation_id="OpenGate")
    async def handler(data: JSONBody[Wish]) -> dict[str, Any]:
        return await endpoint.answer(data.wanted)

    @post("/api/v1/auth/gate", guards=[ADMIN], operation_id="OpenOther")
    async def apart() -> dict[str, Any]:
        return await endpoint.answer("")

    @post("/api/v1/open", guards=[ANYONE], operation_id="OpenDoor")
    async def opened() -> dict[str, Any]:
        return await endpoint.answer("")

    settings = replace(database, registration_open=True, api_admin_token=ADMIN_TOKEN)
    return create_app(settings, extra=[handler, apart, opened])


async def test_the_second_of_two_equal_requests_gets_the_first_ones_reply(client: Client) -> None:
    first = await client.post(PATH, json=PROXY, headers=keyed())
    second = await client.post(PATH, json=PROXY, headers=keyed())
    assert (first.status_code, REPLAYED_HEADER in first.headers) == (201, False)
    assert (second.status_code, second.headers[REPLAYED_HEADER], second.content) == (201, "true", first.content)
    assert (second.headers["ETag"], second.headers["Content-Type"]) == (
        first.headers["ETag"],
        first.headers["Content-Type"],
    )
    assert second.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    assert (await client.get(PATH, headers=ADMIN_HEADERS)).json()["total"] == 1
    assert await log.count(AuditQuery()) == 1


async def test_the_same_key_with_another_body_is_refused_by_its_name(client: Client) -> None:
    await client.post(PATH, json=PROXY, headers=keyed())
    response = await client.post(PATH, json={**PROXY, "port": 1}, headers=keyed())
    assert (response.status_code, response.json()["error"]["details"]["key"]) == (409, "order-7")


async def test_keys_are_apart_by_caller_and_by_address(
    client: Client, endpoint: CountingEndpoint, admin: Headers
) -> None:
    for headers in (keyed(), {**keyed(), **admin}):
        assert REPLAYED_HEADER not in (await client.post("/api/v1/gate", json={}, headers=headers)).headers
    await client.post("/api/v1/gate", json={}, headers=keyed("another"))
    assert endpoint.calls == 3
    assert (await client.post(PATH, json=PROXY, headers=keyed())).status_code == 201


async def test_a_request_that_still_runs_is_not_started_again(client: Client, endpoint: CountingEndpoint) -> None:
    first = asyncio.create_task(client.post("/api/v1/gate", json={"wanted": "wait"}, headers=keyed()))
    await endpoint.entered.wait()
    second = await client.post("/api/v1/gate", json={"wanted": "wait"}, headers=keyed())
    assert (second.status_code, second.headers["Retry-After"]) == (409, "2")
    endpoint.opened.set()
    assert ((await first).status_code, endpoint.calls) == (201, 1)


@pytest.mark.parametrize("wanted", ["fail", "flood"])
async def test_rejected_requests_are_executed_again(client: Client, endpoint: CountingEndpoint, wanted: str) -> None:
    for _ in range(2):
        response = await client.post("/api/v1/gate", json={"wanted": wanted}, headers=keyed())
        assert REPLAYED_HEADER not in response.headers
    assert endpoint.calls == 2


async def test_a_refusal_is_repeated(client: Client) -> None:
    first, second = [await client.post(PATH, json={"name": ""}, headers=keyed()) for _ in range(2)]
    assert (first.status_code, second.status_code, second.content) == (422, 422, first.content)
    assert second.headers[REPLAYED_HEADER] == "true"


async def test_a_reply_that_is_too_large_is_not_kept_and_nothing_is_done_twice(
    client: Client, endpoint: CountingEndpoint
) -> None:
    first, second = [await client.post("/api/v1/gate", json={"wanted": "much"}, headers=keyed()) for _ in range(2)]
    assert (first.status_code, second.status_code, endpoint.calls) == (201, 409, 1)
    assert "not stored" in second.json()["error"]["message"]


@pytest.mark.parametrize("key", ["", "a b", "é".encode("latin-1"), "k" * 256])
async def test_an_invalid_key_is_refused_with_a_clear_message(client: Client, key: Any) -> None:
    response = await client.post(PATH, json=PROXY, headers={**ADMIN_HEADERS, "Idempotency-Key": key})
    (field,) = response.json()["error"]["details"]["fields"]
    assert (response.status_code, field["field"]) == (422, "Idempotency-Key")
    assert "visible ASCII" in field["message"]


async def test_signing_in_and_pushing_know_no_keys(client: Client, endpoint: CountingEndpoint) -> None:
    for _ in range(2):
        await client.post("/api/v1/auth/gate", headers=keyed())
    assert endpoint.calls == 2


async def test_public_routes_ignore_idempotency_keys(client: Client, endpoint: CountingEndpoint) -> None:
    for _ in range(2):
        assert REPLAYED_HEADER not in (await client.post("/api/v1/open", headers=keyed())).headers
    assert endpoint.calls == 2


@pytest.mark.parametrize(("wanted", "status"), [("break", 502), ("crash", 500)])
async def test_requests_that_failed_halfway_are_replayed_and_not_executed_again(
    client: Client, endpoint: CountingEndpoint, wanted: str, status: int
) -> None:
    first, second = [await client.post("/api/v1/gate", json={"wanted": wanted}, headers=keyed()) for _ in range(2)]
    assert (first.status_code, second.status_code, second.content) == (status, status, first.content)
    assert (endpoint.calls, second.headers[REPLAYED_HEADER]) == (1, "true")


async def test_a_secret_returned_once_is_not_stored_in_clear_text(client: Client) -> None:
    response = await client.post("/api/v1/gate", json={}, headers=keyed())
    assert SHOWN_ONCE in response.text
    (row,) = await db.rows("SELECT * FROM idempotency")
    assert SHOWN_ONCE not in str(dict(row))
    assert row["reply"].startswith("sealed:")


async def test_a_key_is_free_again_after_a_day_or_a_crash(store) -> None:
    assert isinstance(await idempotency.claim_request("a", "body", 0), idempotency.RequestClaim)
    assert await idempotency.claim_request("a", "body", 1) is idempotency.ClaimRejection.RUNNING
    assert isinstance(await idempotency.claim_request("a", "body", idempotency.LEASE_MS), idempotency.RequestClaim)
    assert isinstance(await idempotency.claim_request("a", "other", idempotency.TTL_MS * 2), idempotency.RequestClaim)
    await idempotency.delete_expired(idempotency.TTL_MS * 3)
    assert list(await db.rows("SELECT id FROM idempotency")) == []


async def test_concurrent_requests_with_one_key_run_once(client: Client) -> None:
    monitor = make.monitor_json()
    responses = await asyncio.gather(
        *(client.post("/api/v1/monitors", json=monitor, headers=keyed()) for _ in range(8))
    )
    assert {response.status_code for response in responses} <= {201, 409}
    assert (await client.get("/api/v1/monitors", headers=ADMIN_HEADERS)).json()["total"] == 1


async def test_without_redis_keys_work_all_the_same(database, endpoint: CountingEndpoint) -> None:
    app = create_app(replace(database, api_admin_token=ADMIN_TOKEN, redis_url="unix:///nowhere/valkey.sock"))
    async with calling(app) as client:
        first, second = [await client.post(PATH, json=PROXY, headers=keyed()) for _ in range(2)]
    assert (first.status_code, second.content, second.headers[REPLAYED_HEADER]) == (201, first.content, "true")
