"""Results over HTTP: heartbeats in the format of document 002."""

from datetime import UTC, datetime, timedelta

import pytest

from app import clock
from app.store.transactions import monitors, results
from schema.results import RESULT_STATUSES
from schema.status import Status
from tests import make
from tests.app.api.running_app import ADMIN_TOKEN

PATH = "/api/v1/results"
HOUR_MS = 3_600_000
AGO_H = (0.01, 2, 30, 200)  # one result of each of two checks at these hours ago; `one` was down 2 hours ago


@pytest.fixture
async def api(client):
    client.headers["Authorization"] = f"Bearer {ADMIN_TOKEN}"
    added = [await monitors.create(make.monitor(name=name)) for name in ("one", "two")]
    snapshots = {one.series: one for one in await monitors.list_snapshots([one.schedules[0].series for one in added])}
    now = clock.now_ms()
    outcome = [
        (make.down if (one.name, ago) == ("one", 2) else make.outcome)(series=no, at_ms=now - int(ago * HOUR_MS))
        for no, one in snapshots.items()
        for ago in AGO_H
    ]
    await results.store_results(make.results(*outcome), snapshots, now)
    return client


async def id_of(name: str) -> str:
    return (await monitors.list_page(monitors.MonitorQuery(q=name)))[0][0].id


def day(ago: int) -> str:
    return (datetime.now(UTC) - timedelta(days=ago)).isoformat()


async def statuses(api, **query) -> list[str]:
    response = await api.get(PATH, params=query)
    assert response.status_code == 200, response.text
    return [one["status"] for one in response.json()["results"]]


def test_every_status_has_a_result_status():
    assert set(RESULT_STATUSES) == set(Status)


async def test_results_are_flat_pages_newest_first(api):
    page = (await api.get(f"{PATH}?per_page=3&page=3")).json()
    assert len(page.pop("results")) == 2
    assert page == {"page": 3, "per_page": 3, "total": 8, "pages": 3}
    times = [one["executed_at"] for one in (await api.get(PATH)).json()["results"]]
    assert times == sorted(times, reverse=True)


async def test_a_result_is_a_heartbeat_by_the_same_id(api):
    first = (await api.get(PATH)).json()["results"][0]
    assert (await api.get(f"{PATH}/{first['id']}")).json() == first
    beat = (await api.get("/api/v1/heartbeats")).json()["heartbeats"][0]
    assert (first["id"], first["check_id"], first["executed_at"]) == (beat["id"], beat["monitor_id"], beat["time"])
    assert first["response_time"] == beat["ping"] / 1000 == 0.034
    assert (first["status"], first["message"], first["raw_data"]) == ("success", "200 OK", {})


async def test_results_are_filtered_by_status_check_and_date(api):
    assert await statuses(api, status="error") == ["error"]
    assert await statuses(api, status="warning") == []
    one = await id_of("one")
    assert await statuses(api, check_id=one, status="success") == ["success"] * 3
    assert len(await statuses(api, from_date=day(3), to_date=day(1))) == 2
    assert len(await statuses(api, from_date=day(3).removesuffix("+00:00"))) == 6


async def test_the_results_of_one_check_have_a_path_of_their_own(api):
    one = await id_of("one")
    own = (await api.get(f"{PATH}/check/{one}?per_page=2")).json()
    assert own == (await api.get(PATH, params={"check_id": one, "per_page": 2})).json()
    assert {result["check_id"] for result in own["results"]} == {one}
    missing = await api.get(f"{PATH}/check/00000000-0000-0000-0000-000000000000")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "RESOURCE_NOT_FOUND")


@pytest.mark.parametrize(("period", "total", "errors"), [("day", 4, 1), ("week", 6, 1), ("month", 8, 1)])
async def test_a_summary_counts_what_a_period_came_to(api, period, total, errors):
    body = (await api.get(f"{PATH}/summary?period={period}")).json()
    assert (body["period"], body["total_checks"]) == (period, total)
    assert body["statuses"] == {
        "success": {"count": total - errors, "percent": round(100 * (total - errors) / total, 1)},
        "warning": {"count": 0, "percent": 0.0},
        "error": {"count": errors, "percent": round(100 * errors / total, 1)},
    }
    length = datetime.fromisoformat(body["to_date"]) - datetime.fromisoformat(body["from_date"])
    assert length.days == {"day": 1, "week": 7, "month": 30}[period]


async def test_a_summary_of_nothing_is_zeros(client):
    body = (await client.get(f"{PATH}/summary", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})).json()
    assert (body["period"], body["total_checks"]) == ("day", 0)
    assert set(map(str, body["statuses"].values())) == {"{'count': 0, 'percent': 0.0}"}


async def test_the_newest_result_is_a_checks_last_run(api):
    check = (await api.get(f"/api/v1/checks/{await id_of('one')}")).json()
    assert check["last_run"] == (await api.get(f"{PATH}/check/{check['id']}")).json()["results"][0]["executed_at"]


@pytest.mark.parametrize(
    "id_", ["summary-not", "zebra", "-1", "0x1f", "ffffffffffffffff", "7fffffffffffffff", "00", "9" * 40]
)
async def test_a_result_that_is_not_there_is_not_found(api, id_):
    response = await api.get(f"{PATH}/{id_}")
    assert (response.status_code, response.json()["error"]["details"]) == (404, {"resource": "result", "id": id_})


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from_date=yesterday", "from_date"),
        ("to_date=2026-13-01T00:00:00Z", "to_date"),
        ("status=fine", "status"),
        ("status=error&from_date=2026-01-01T00:00:00Z", "from_date"),
        ("check_id=7", "check_id"),
        ("per_page=0", "per_page"),
        ("limit=3", "limit"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused_by_its_name(api, query, field):
    response = await api.get(f"{PATH}?{query}")
    assert response.status_code == 422, response.text
    assert [one["field"] for one in response.json()["error"]["details"]["fields"]] == [field]


async def test_an_unknown_period_is_refused(api):
    assert (await api.get(f"{PATH}/summary?period=year")).status_code == 422
