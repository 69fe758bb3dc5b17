"""A request that takes too long ends with an error and delays no other request."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from litestar import get, post, route
from litestar.params import JSONBody

from app import db
from app.api.http.rate_limits import RUN_LIMIT
from app.api.http.timeouts import NO_TIMEOUT
from app.main import create_app
from app.security.auth.policy import ANYONE
from app.settings import Settings
from app.store.audit import chain, log
from app.store.audit.log import AuditQuery
from schema.users import RefreshRequest
from tests.app.api.running_app import Client, calling

pytestmark = pytest.mark.either_engine

ended: list[str] = []


@route("/api/v1/hangs", http_method=["GET", "POST"], guards=[ANYONE])
async def hangs() -> None:
    """Never answers."""
    try:
        async with db.transaction():
            await asyncio.Event().wait()
    finally:
        ended.append("hangs")


@get("/api/v1/runs", guards=[ANYONE], opt=RUN_LIMIT)
async def runs() -> str:
    """Takes longer than others may."""
    await asyncio.sleep(2.5)
    return "done"


@get("/api/v1/streams", guards=[ANYONE], opt={NO_TIMEOUT: True})
async def streams() -> str:
    """The same, by its Content-Length header."""
    await asyncio.sleep(2.5)
    return "done"


@post("/api/v1/writes", guards=[ANYONE])
async def writes() -> str:
    """Changes something."""
    return "written"


@post("/api/v1/reads", guards=[ANYONE])
async def reads(data: JSONBody[RefreshRequest]) -> str:
    """Wants a body."""
    return data.refresh_token


@pytest.fixture
async def hasty(database: Settings) -> AsyncIterator[Client]:
    """A client of an application that has two seconds for a request, one of them for its body."""
    ended.clear()
    short = replace(database, request_timeout_s=2, body_timeout_s=1)
    async with calling(create_app(short, extra=[hangs, runs, streams, reads, writes])) as client:
        yield client


async def slow(*parts: bytes) -> AsyncIterator[bytes]:
    """A body that begins, and never ends."""
    for part in parts:
        yield part
    await asyncio.Event().wait()


async def test_a_handler_that_hangs_times_out_with_an_error(hasty: Client) -> None:
    response = await hasty.get("/api/v1/hangs", headers={"X-Request-ID": "req-9"})
    error: dict[str, Any] = response.json()["error"]
    assert (response.status_code, error["code"], error["request_id"]) == (504, "GATEWAY_TIMEOUT", "req-9")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert ended == ["hangs"]


async def test_a_timed_out_request_leaves_no_transaction_open(hasty: Client) -> None:
    await hasty.get("/api/v1/hangs")
    async with db.transaction():
        assert len(await db.rows("SELECT 1 AS one")) == 1


@pytest.mark.parametrize("path", ["/api/v1/runs", "/api/v1/streams"])
async def test_runs_and_streams_have_the_time_they_need(hasty: Client, path: str) -> None:
    response = await hasty.get(path)
    assert (response.status_code, response.text) == (200, "done")


async def test_a_slow_audit_record_does_not_delay_the_response(hasty: Client) -> None:
    async def held(taken: asyncio.Event) -> None:
        async with db.transaction():
            await chain.lock()
            taken.set()
            await asyncio.sleep(3)

    taken = asyncio.Event()
    other = asyncio.create_task(held(taken))
    await taken.wait()
    response = await hasty.post("/api/v1/writes")
    await other
    assert (response.status_code, response.text) == (201, "written")
    assert await log.count(AuditQuery()) == 1


async def test_a_timed_out_request_is_recorded(hasty: Client) -> None:
    assert (await hasty.post("/api/v1/hangs")).status_code == 504
    assert [entry.code for entry in (await log.list_page(AuditQuery()))[0]] == ["GATEWAY_TIMEOUT"]


async def test_a_body_that_does_not_arrive_is_not_waited_for(hasty: Client) -> None:
    headers = {"Content-Type": "application/json"}
    response = await hasty.post("/api/v1/reads", content=slow(b'{"refresh'), headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (408, "REQUEST_TIMEOUT")


async def test_a_body_that_drips_is_not_waited_for_either(hasty: Client) -> None:
    async def dripping() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.1)

    response = await hasty.post("/api/v1/reads", content=dripping(), headers={"Content-Type": "application/json"})
    assert response.status_code == 408


async def test_slow_bodies_do_not_delay_other_requests(hasty: Client) -> None:
    headers = {"Content-Type": "application/json"}
    bodies = [asyncio.create_task(hasty.post("/api/v1/reads", content=slow(b"{"), headers=headers)) for _ in range(50)]
    assert (await hasty.get("/api/v1/version")).status_code == 200
    assert not any(one.done() for one in bodies)
    assert {response.status_code for response in await asyncio.gather(*bodies)} == {408}


async def test_refusals_are_counted_by_reason(hasty: Client) -> None:
    before = _refused((await hasty.get("/metrics")).text)
    await hasty.get("/api/v1/hangs")
    await hasty.post("/api/v1/reads", content=slow(b"{"), headers={"Content-Type": "application/json"})
    await hasty.post("/api/v1/reads", content=b" " * 1_000_001, headers={"Content-Type": "application/json"})
    after = _refused((await hasty.get("/metrics")).text)
    assert {reason: after[reason] - before[reason] for reason in ("time", "slow", "size")} == dict.fromkeys(
        ("time", "slow", "size"), 1
    )


def _refused(page: str) -> dict[str, float]:
    lines = [line for line in page.splitlines() if line.startswith("watchkeeper_requests_rejected_total{")]
    return {line.partition('reason="')[2].partition('"')[0]: float(line.rpartition(" ")[2]) for line in lines}


class Slow:
    """Rates that are counted too slowly."""

    async def count_request(self, *_: str) -> None:
        await asyncio.sleep(1.2)


async def test_a_deadline_that_falls_while_headers_are_made_leaves_an_answer(database: Settings) -> None:
    app = create_app(replace(database, request_timeout_s=1))
    app.state.rates = Slow()
    async with calling(app) as client:
        assert (await client.get("/api/v1/nowhere")).status_code == 504
