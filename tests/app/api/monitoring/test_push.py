"""A ping is answered once it is stored; without a valid token the response reveals nothing."""

import asyncio
import gzip
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import msgspec
import pytest
from litestar import Request
from litestar.exceptions import InternalServerException

from app import queue
from app.api.monitoring import push, push_ingest
from app.errors import LateBody
from app.store.history import heartbeats
from app.store.history.heartbeats import HeartbeatQuery
from app.store.transactions import monitors, results
from schema.heartbeat_texts import LOGGED, PUSHED, STARTED
from schema.jobs import PUSHED_KEY, STARTED_KEY, CheckOutcome, ResultBatch
from schema.status import Status
from schema.targets import Push
from tests import make
from tests.app.api.running_app import ADMIN_TOKEN, calling, served

TOKEN = "a-token-of-sixteen-or-more"
PATH = f"/api/v1/push/{TOKEN}"


@pytest.fixture
async def pushed(client):
    """A client, and a monitor that is reported to."""
    await monitors.create(make.monitor(Push(token=TOKEN)))
    push_ingest.clear_endpoints()
    return client


async def queued() -> list[CheckOutcome]:
    """What waits for the ingest stage, in the order it was put there."""
    ids = await queue.client().lrange(f"{queue.NAMESPACE}:ingest", 0, -1)
    bodies = [await queue.client().hget(f"{queue.NAMESPACE}:ingest.msgs", id_) for id_ in ids]
    jobs = [msgspec.convert(msgspec.json.decode(body)["kwargs"], ResultBatch) for body in bodies]
    return [outcome for job in jobs for outcome in job.outcomes]


def detailed(one: CheckOutcome) -> dict[str, Any]:
    """What is kept beside the heartbeat."""
    assert one.detail is not None
    return one.detail


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
async def test_a_ping_is_on_the_queue_when_it_is_answered(pushed, method):
    response = await pushed.request(method, PATH)
    assert (response.status_code, response.text) == (200, "" if method == "HEAD" else '{"ok":true}')
    (one,) = await queued()
    assert (one.status, one.code, one.early, one.message) == (Status.UP, PUSHED, True, "")
    assert await queue.client().hget(PUSHED_KEY, str(one.series)) == str(one.at_ms).encode()


@pytest.mark.parametrize(
    ("query", "status", "message", "took_us"),
    [
        ("status=up&msg=OK&ping=", Status.UP, "", 0),
        ("status=up&msg=all%20well&ping=12.5", Status.UP, "all well", 12_500),
        ("status=down", Status.DOWN, "reported as down", 0),
        ("status=down&msg=disk%20full", Status.DOWN, "disk full", 0),
        ("status=DOWN&status=down", Status.DOWN, "reported as down", 0),
        ("status=down&msg=" + "x" * 251, Status.DOWN, "x" * 249 + "…", 0),
        ("status=down&msg=" + "x" * 9_000, Status.DOWN, "x" * 249 + "…", 0),
        ("status=up&msg=a%20&%20b", Status.UP, "a", 0),
        ("create=1", Status.UP, "", 0),
        ("status=down&msg=a%00b%ff%0ac", Status.DOWN, "a b� c", 0),
        ("status=down&msg=one&msg=two", Status.DOWN, "two", 0),
        ("ping=12.34567890123456", Status.UP, "", 12_346),
        ("id=1&status=down&%00=%00&%ff=x", Status.DOWN, "reported as down", 0),
    ],
)
async def test_a_ping_has_an_outcome(pushed, query, status, message, took_us):
    assert (await pushed.get(f"{PATH}?{query}")).status_code == 200
    (one,) = await queued()
    assert (one.status, one.message, one.took_us) == (status, message, took_us)


async def test_the_body_of_a_ping_is_kept_to_ten_kilobytes(pushed):
    await pushed.post(PATH, content="log " * 5_000)
    (one,) = await queued()
    assert detailed(one)["body"] == ("log " * 5_000)[:10_000]


async def test_a_compressed_body_is_left_out_and_the_report_counts(pushed):
    response = await pushed.post(PATH, content=gzip.compress(b"log"), headers={"Content-Encoding": "gzip"})
    assert response.status_code == 200
    (one,) = await queued()
    assert "body" not in detailed(one)


async def test_a_token_that_a_job_repeats_is_masked_even_where_the_body_is_cut(pushed):
    await pushed.post(f"{PATH}?msg=curl {TOKEN}", content=f"+ curl {TOKEN} " + "x" * 9_970 + TOKEN)
    (one,) = await queued()
    assert one.message == "curl ********"
    assert detailed(one)["body"].startswith("+ curl ******** x")
    assert TOKEN[:4] not in detailed(one)["body"]


async def test_the_origin_of_a_report_is_stored_when_it_is_new_or_down(pushed):
    for signal in ("", "", "/fail", "", "/start"):
        await pushed.get(f"{PATH}{signal}")
    addresses = [(one.detail or {}).get("from") for one in await queued()]
    assert addresses == ["127.0.0.1", None, "127.0.0.1", None, None]


async def test_a_report_from_elsewhere_names_its_place_once(database):
    async with calling(served(replace(database, trusted_proxies=(ip_network("127.0.0.0/8"),)))) as client:
        await monitors.create(make.monitor(Push(token=TOKEN)))
        push_ingest.clear_endpoints()
        for source in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.1"):
            await client.get(PATH, headers={"X-Forwarded-For": source})
        addresses = [(one.detail or {}).get("from") for one in await queued()]
    assert addresses == ["192.0.2.1", None, "192.0.2.2", "192.0.2.1"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=fine", "status"),
        ("status=", "status"),
        ("status=%00", "status"),
        ("status=up&status=down", "status"),
        ("status=down&status=up", "status"),
        ("status=down&status=", "status"),
    ],
)
async def test_a_status_that_is_not_clear_is_never_taken_as_up(pushed, query, field):
    response = await pushed.get(f"{PATH}?{query}")
    assert (response.status_code, response.json()["error"]["details"]["fields"][0]["field"]) == (422, field)
    assert await queued() == []


async def test_an_unknown_token_is_not_found_and_not_repeated(pushed):
    response = await pushed.get("/api/v1/push/guessed-token-1234")
    assert response.status_code == 404
    assert "guessed" not in response.text


async def test_a_paused_monitor_refuses_pings_within_two_seconds(pushed):
    assert (await pushed.get(PATH)).status_code == 200
    ((monitor,), _) = await monitors.list_page(monitors.MonitorQuery())
    await monitors.set_active(monitor.id, False)
    push_ingest.clear_endpoints()
    response = await pushed.get(PATH)
    assert (response.status_code, response.json()["error"]["code"]) == (409, "CONFLICT")


async def test_a_removed_monitor_leaves_no_trace_in_redis(pushed):
    await pushed.get(PATH)
    ((monitor,), _) = await monitors.list_page(monitors.MonitorQuery())
    admin = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    assert (await pushed.delete(f"/api/v1/monitors/{monitor.id}", headers=admin)).status_code == 204
    assert await queue.client().hlen(PUSHED_KEY) == 0


async def test_pings_of_one_moment_are_all_kept_and_leave_in_few_groups(pushed):
    responses = await asyncio.gather(*(pushed.get(f"{PATH}?msg={number}") for number in range(100)))
    assert {response.status_code for response in responses} == {200}
    outcomes = await queued()
    assert len({one.at_ms for one in outcomes}) == 100
    assert {one.message for one in outcomes} == {str(number) for number in range(100)}
    assert await queue.client().llen(f"{queue.NAMESPACE}:ingest") < 50


async def test_more_than_a_thousand_pings_a_second_are_too_many(pushed):
    await pushed.get(PATH)
    (address,) = push_ingest.endpoints.entries.values()
    address.last_ms += 2_000
    response = await pushed.get(PATH)
    assert (response.status_code, response.headers["Retry-After"]) == (429, "1")


async def test_a_client_that_leaves_takes_no_ping_with_it(pushed):
    await pushed.get(PATH)
    leaving = asyncio.create_task(pushed.get(f"{PATH}?msg=leaving"))
    staying = asyncio.create_task(pushed.get(f"{PATH}?msg=staying"))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).status_code == 200
    assert "staying" in {one.message for one in await queued()}


async def test_while_redis_is_away_a_ping_is_stored_at_once(database, tmp_path):
    away = replace(database, redis_url=f"unix://{tmp_path}/nobody.sock")
    async with calling(served(away)) as client:
        await monitors.create(make.monitor(Push(token=TOKEN)))
        push_ingest.clear_endpoints()
        assert (await client.get(f"{PATH}?status=down&msg=disk")).status_code == 200
        (one,), _ = await heartbeats.list_page(HeartbeatQuery())
    assert (one.status, one.msg, one.important) == (Status.DOWN, "disk", True)


async def test_pings_that_neither_redis_nor_the_database_stores_are_rejected(database, tmp_path, monkeypatch):
    async def locked(*_):
        raise sqlite3.OperationalError("database is locked")

    away = replace(database, redis_url=f"unix://{tmp_path}/nobody.sock")
    async with calling(served(away)) as client:
        await monitors.create(make.monitor(Push(token=TOKEN)))
        push_ingest.clear_endpoints()
        monkeypatch.setattr(results, "store_results", locked)
        responses = await asyncio.gather(*(client.get(PATH) for _ in range(5)))
    assert [response.status_code for response in responses] == [503] * 5


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
@pytest.mark.parametrize(
    ("signal", "status", "code", "message"),
    [
        ("start", Status.UNKNOWN, STARTED, ""),
        ("log", Status.UNKNOWN, LOGGED, ""),
        ("fail", Status.DOWN, PUSHED, "reported as failed"),
        ("0", Status.UP, PUSHED, ""),
        ("3", Status.DOWN, PUSHED, "exit code 3"),
        ("255", Status.DOWN, PUSHED, "exit code 255"),
        ("000", Status.UP, PUSHED, ""),
        ("FAIL", Status.DOWN, PUSHED, "reported as failed"),
        ("-1073741510", Status.DOWN, PUSHED, "exit code -1073741510"),
        ("3221225786", Status.DOWN, PUSHED, "exit code 3221225786"),
    ],
)
async def test_a_signal_reports_the_progress_of_a_job(pushed, method, signal, status, code, message):
    assert (await pushed.request(method, f"{PATH}/{signal}")).status_code == 200
    (one,) = await queued()
    assert (one.status, one.code, one.message, one.early) == (status, code, message, True)


@pytest.mark.parametrize("signal", ["done", "1.5", "\u0663", "up", "0x1", "-", "1" * 11, "+1"])
async def test_a_signal_that_is_not_known_is_never_taken_as_up(pushed, signal):
    response = await pushed.get(f"{PATH}/{signal}")
    assert (response.status_code, response.json()["error"]["details"]["fields"][0]["field"]) == (422, "signal")
    assert await queued() == []


async def test_start_and_log_pings_are_not_recorded_as_reports(pushed):
    for signal in ("start", "log"):
        await pushed.get(f"{PATH}/{signal}")
    (series,) = await queue.client().hkeys(STARTED_KEY)
    assert await queue.client().hget(PUSHED_KEY, series) is None
    await pushed.get(f"{PATH}/fail")
    assert int(await queue.client().hget(PUSHED_KEY, series)) < 0


async def test_a_run_is_measured_from_its_own_start(pushed):
    await pushed.get(f"{PATH}/start?rid=a")
    await pushed.get(f"{PATH}/start?rid=b")
    await queue.client().zincrby("wk:runs:1", -90_000, "a")
    await pushed.get(f"{PATH}/0?rid=a")
    await pushed.get(f"{PATH}?rid=b")
    await pushed.get(f"{PATH}?rid=never-started")
    took = {detailed(one)["run_id"]: one.took_us for one in (await queued())[2:]}
    assert took["a"] >= 90_000_000
    assert took["b"] < 60_000_000
    assert took["never-started"] == 0


async def test_a_run_that_was_started_is_kept_with_its_log(pushed):
    await pushed.get(f"{PATH}/start?rid=a")
    await pushed.post(f"{PATH}/7?rid=a", content="disk full " * 2_000)
    ended = detailed((await queued())[1])
    assert (ended["run_id"], ended["body"]) == ("a", ("disk full " * 2_000)[:10_000])
    assert ended["ran_s"] >= 0


@pytest.mark.parametrize(
    ("query", "ignored"),
    [
        ("rid=" + "x" * 65, ["rid"]),
        ("rid=a%20b", ["rid"]),
        ("ping=-1", ["ping"]),
        ("ping=inf&rid=a;b", ["ping", "rid"]),
        ("ping=12ms", ["ping"]),
    ],
)
async def test_wrong_parts_of_a_report_are_left_out_and_reported(pushed, query, ignored):
    response = await pushed.get(f"{PATH}?status=down&{query}")
    assert (response.status_code, response.json()) == (200, {"ok": True, "ignored": ignored})
    (one,) = await queued()
    assert (one.status, one.took_us, one.detail) == (Status.DOWN, 0, {"from": "127.0.0.1"})


@pytest.mark.parametrize("length", [10_001, 1_000_001, 2_000_000, push.MAX_DRAINED_BYTES // 16])
async def test_a_report_is_taken_whatever_the_size_of_its_body(pushed, length):
    response = await pushed.post(f"{PATH}/1", content=b"x" * length)
    assert (response.status_code, response.json()) == (200, {"ok": True})
    (one,) = await queued()
    assert (one.status, len(detailed(one)["body"])) == (Status.DOWN, 10_000)


@pytest.mark.parametrize("error", [LateBody(""), InternalServerException("client disconnected prematurely")])
@pytest.mark.parametrize("arrived", [[], [b"the first piece"], [b"x" * 20_000]])
async def test_a_report_is_taken_though_its_body_never_ends(pushed, monkeypatch, arrived, error):
    async def broken(_: Any) -> AsyncIterator[bytes]:
        for piece in arrived:
            yield piece
        raise error

    monkeypatch.setattr(Request, "stream", broken)
    assert (await pushed.post(f"{PATH}/fail", content=b"anything")).status_code == 200
    (one,) = await queued()
    assert (one.status, detailed(one).get("body", "")) == (Status.DOWN, b"".join(arrived)[:10_000].decode())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"status=down&msg=broken", Status.UP),
        (b'{"status": "success", "up": false}', Status.UP),
        (b'{"status": 1}', Status.UP),
        (b'{"status": "up"}', Status.UP),
        (b'{"a": 1', Status.UP),
        (b'["status", "down"]', Status.UP),
        (b"{" * 10_000, Status.UP),
        (b'{"status": "down"}', None),
        (b' {"msg": "x", "status": "DOWN"}', None),
    ],
)
async def test_a_body_is_a_log_and_may_not_contradict_its_report(pushed, body, expected):
    response = await pushed.post(PATH, content=body)
    assert [one.status for one in await queued()] == ([] if expected is None else [expected])
    assert response.status_code == (422 if expected is None else 200)


@pytest.mark.parametrize(
    ("path", "status"),
    [("/0?status=down", 422), ("/fail?status=up", 422), ("/1?status=down", 200), ("/start?status=up", 200)],
)
async def test_path_and_query_may_not_contradict_each_other(pushed, path, status):
    assert (await pushed.get(PATH + path)).status_code == status
    assert len(await queued()) == (status == 200)


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        (f"/api/push/{TOKEN}?status=down&msg=OK&ping=", Status.DOWN, '{"ok":true}'),
        (f"/ping/{TOKEN}", Status.UP, "OK"),
        (f"/ping/{TOKEN}/fail?create=1", Status.DOWN, "OK"),
        (f"/ping/{TOKEN}/start?rid=5d4b3f5e-6f0a-4b3c-9d0e-0d6f6f1c2a3b", Status.UNKNOWN, "OK"),
        (f"/ping/{TOKEN}/log", Status.UNKNOWN, "OK"),
        (f"/ping/{TOKEN}/137", Status.DOWN, "OK"),
    ],
)
async def test_scripts_for_other_services_change_the_host_and_nothing_else(pushed, method, path, status, text):
    response = await pushed.request(method, path)
    assert (response.status_code, response.text) == (200, "" if method == "HEAD" else text)
    assert response.headers.get("Ping-Body-Limit") == ("10000" if path.startswith("/ping") else None)
    assert [one.status for one in await queued()] == [status]


@pytest.mark.parametrize("path", ["/ping/a-token-that-nobody-has", "/api/push/a-token-that-nobody-has"])
async def test_an_unknown_alias_is_not_found(pushed, path):
    assert (await pushed.post(path, content=b"x" * 2_000_000)).status_code == 404


async def test_no_more_than_a_hundred_runs_are_remembered(pushed):
    for number in range(105):
        await pushed.get(f"{PATH}/start?rid=run-{number}")
    assert await queue.client().zcard("wk:runs:1") == 100


async def test_a_report_sets_when_the_next_one_is_missed(client):
    await monitors.create(make.monitor(Push(token=TOKEN, grace=3_600), interval=86_400))
    push_ingest.clear_endpoints()
    await client.get(PATH)
    await client.get(f"{PATH}/start")
    reported, started = await queued()
    assert reported.recheck_ms == reported.at_ms + 86_400_000 + 60_000 + 1
    assert started.recheck_ms == started.at_ms + 3_600_000 + 1


async def test_frequent_reports_cause_no_checks_of_their_own(pushed):
    await pushed.get(PATH)
    assert [one.recheck_ms for one in await queued()] == [0]
