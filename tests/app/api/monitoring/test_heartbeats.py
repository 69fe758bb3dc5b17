"""Heartbeats over HTTP: by page, by cursor and by filter."""

import pytest

from app import clock
from app.store.transactions import monitors, results
from tests import make
from tests.app.api.running_app import ADMIN_TOKEN

PATH = "/api/v1/heartbeats"
COUNT = 5


@pytest.fixture
async def api(client):
    """A client, and two monitors that were checked every minute; one was down once, three minutes ago."""
    client.headers["Authorization"] = f"Bearer {ADMIN_TOKEN}"
    added = [await monitors.create(make.monitor(name=name)) for name in ("one", "two")]
    snapshots = {one.series: one for one in await monitors.list_snapshots([one.schedules[0].series for one in added])}
    now = clock.now_ms()
    outcome = [
        (make.down if (one.name, ago) == ("one", 3) else make.outcome)(series=no, at_ms=now - ago * make.MINUTE_MS)
        for no, one in snapshots.items()
        for ago in range(COUNT)
    ]
    await results.store_results(make.results(*outcome), snapshots, now)
    return client


async def id_of(name: str) -> str:
    return (await monitors.list_page(monitors.MonitorQuery(q=name)))[0][0].id


async def statuses(api, **query) -> list[int]:
    return [one["status"] for one in (await api.get(PATH, params=query)).json()["heartbeats"]]


async def test_the_newest_come_first_under_their_name(api):
    response = (await api.get(PATH)).json()
    times = [one["time"] for one in response["heartbeats"]]
    assert (len(times), response["total"], response["next_cursor"]) == (2 * COUNT, 2 * COUNT, None)
    assert times == sorted(times, reverse=True)


async def test_pages_have_numbers_and_a_cursor_that_goes_on(api):
    first = (await api.get(f"{PATH}?limit=4")).json()
    second = (await api.get(f"{PATH}?limit=4&page=2")).json()
    numbers = {"page": 1, "limit": 4, "total": 10, "pages": 3, "has_next": True, "has_prev": False}
    assert first["pagination"] == numbers
    onward = (await api.get(f"{PATH}?limit=4&cursor={first['next_cursor']}")).json()
    assert onward == {"data": second["data"], "next_cursor": second["next_cursor"]}
    last = (await api.get(f"{PATH}?limit=4&cursor={second['next_cursor']}")).json()
    assert (len(last["data"]), last["next_cursor"]) == (2, None)


@pytest.mark.parametrize("word", ["0", "down"])
async def test_a_status_is_filtered_by_number_or_by_name(api, word):
    assert await statuses(api, status=word) == [0]


async def test_heartbeats_can_be_filtered_by_importance(api):
    assert await statuses(api, important="true") == [1, 0]


async def test_one_monitors_heartbeats_are_the_same_on_both_paths(api):
    wanted = await id_of("one")
    own = (await api.get(f"/api/v1/monitors/{wanted}/heartbeats?limit=2")).json()
    assert own == (await api.get(PATH, params={"monitor_id": wanted, "limit": 2})).json()
    assert {one["monitor_id"] for one in own["data"]} == {wanted}


async def test_from_and_to_include_their_ends(api):
    times = [one["time"] for one in (await api.get(PATH)).json()["heartbeats"]]
    response = (await api.get(PATH, params={"from": times[6], "to": times[2]})).json()
    assert [one["time"] for one in response["heartbeats"]] == times[2:8]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=yesterday", "from"),
        ("from=2026-01-01T00:00:00", "from"),
        ("from=2020-01-01T00:00:00Z", "from"),
        ("to=noon", "to"),
        ("to=1700000000", "to"),
        ("cursor=zebra", "cursor"),
        ("cursor=1&page=2", "page"),
        ("status=fine", "status"),
        ("important=perhaps", "important"),
        ("monitor_id=7", "monitor_id"),
        ("limit=101", "limit"),
        ("colour=red", "colour"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused_by_its_name(api, query, field):
    response = await api.get(f"{PATH}?{query}")
    assert response.status_code == 422, response.text
    assert [one["field"] for one in response.json()["error"]["details"]["fields"]] == [field]


async def test_the_heartbeats_of_no_monitor_are_not_found(api):
    response = await api.get("/api/v1/monitors/00000000-0000-0000-0000-000000000000/heartbeats")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "RESOURCE_NOT_FOUND")


async def test_reading_requires_signing_in(client):
    assert (await client.get(PATH)).status_code == 401
