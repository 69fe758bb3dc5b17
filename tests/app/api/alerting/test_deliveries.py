"""Deliveries over HTTP: what arrived, what did not and why; and to send it again under the same id."""

from typing import Any
from uuid import uuid4

import pytest

from app import clock, queue
from app.domain.alerting.circuit_breaker import AttemptOutcome
from app.store.alerting import channel_tests
from app.store.alerting.delivery_results import AttemptResult
from schema.deliveries import ReasonCode
from schema.events import EventKind
from tests.app.api.people import ADMIN_TOKEN
from tests.app.store.owing import Owing, claimed, owing, settled, taken

PATH = "/api/v1/deliveries"
CHANNELS = "/api/v1/notification-channels"
CARRIER = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
MINUTE_MS = 60_000


@pytest.fixture
def api(client):
    client.headers.update(CARRIER)
    return client


@pytest.fixture
async def owed(api) -> Owing:
    return await owing(3)


async def told(api, query: str = "") -> dict[str, Any]:
    reply = await api.get(f"{PATH}{query}")
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def ended(owed: Owing, monitor: int, state: str, error: str = "") -> str:
    """A delivery that came to this end a moment ago."""
    now_ms = clock.now_ms()
    id_ = await owed.down(monitor, at_ms=now_ms - MINUTE_MS + monitor, now_ms=now_ms - MINUTE_MS + monitor)
    await claimed([id_], now_ms)
    code = ReasonCode.REJECTED if state == "dead" else None
    await settled(AttemptResult(id_, 1, state, error, at_ms=now_ms, took_ms=250, reason_code=code), now_ms=now_ms)
    return id_


async def test_a_delivery_is_shown_with_its_event_and_every_try(api, owed):
    id_ = await ended(owed, 0, "dead", "answered 404")
    found = await told(api, f"/{id_}")
    assert found["data"]["monitor"]["name"] == "web 0"
    shown = found["delivery"]
    assert (shown["state"], shown["reason_code"], shown["error"]) == ("dead", "rejected", "answered 404")
    assert [(one["attempt"], one["took"], one["error"]) for one in found["attempts"]] == [(1, 0.25, "answered 404")]


async def test_a_list_is_whole_or_paged_newest_first(api, owed):
    ids = [await ended(owed, number, "sent") for number in range(3)]
    whole = await told(api)
    assert ([one["id"] for one in whole["deliveries"]], whole["total"]) == (ids[::-1], 3)
    page = await told(api, "?limit=2&page=2&order=asc&sort=event_at")
    assert [one["id"] for one in page["data"]] == ids[2:]
    assert page["pagination"]["total"] == 3


async def test_a_list_shows_what_its_filters_name(api, owed):
    dead, sent = await ended(owed, 0, "dead", "no"), await ended(owed, 1, "sent")
    monitor = (await told(api, f"/{sent}"))["delivery"]["monitor_id"]
    for query, ids in {
        "?state=dead": [dead],
        "?event=monitor.down": [sent, dead],
        "?event=monitor.up": [],
        f"?monitor_id={monitor}": [sent],
        f"?channel_id={owed.channel_id}": [sent, dead],
        f"?channel_id={uuid4()}": [],
        f"?incident_id={uuid4()}": [],
        "?from=2020-01-01T00:00:00Z": [sent, dead],
        "?to=2020-01-01T00:00:00Z": [],
    }.items():
        assert [one["id"] for one in (await told(api, query))["deliveries"]] == ids, query


@pytest.mark.parametrize("state", ["dead", "sent"])
async def test_what_is_done_is_sent_again_under_its_id(api, owed, state):
    id_ = await ended(owed, 0, state)
    reply = await api.post(f"{PATH}/{id_}/resend")
    assert (reply.status_code, reply.json()["id"], reply.json()["state"]) == (200, id_, "pending")
    assert reply.json()["reason_code"] is None
    assert await queue.depth("notify") == 1
    (again,) = await taken([id_], clock.now_ms() + 1)
    assert (again.id, again.attempts) == (id_, 2)


async def test_a_resend_makes_an_old_delivery_young(api, owed):
    id_ = await ended(owed, 0, "dead")
    await api.post(f"{PATH}/{id_}/resend")
    assert await claimed([id_], clock.now_ms() + 1, max_age_ms=MINUTE_MS // 2) == [id_]


async def test_what_is_on_its_way_is_not_sent_again(api, owed):
    id_ = await owed.down()
    assert (await api.post(f"{PATH}/{id_}/resend")).status_code == 409


async def test_what_is_not_there_is_not_found(api):
    assert (await api.get(f"{PATH}/{uuid4()}")).status_code == 404
    assert (await api.post(f"{PATH}/{uuid4()}/resend")).status_code == 404


@pytest.mark.parametrize("by", ["nothing", "ids", "channel", "other channel"])
async def test_dead_letters_are_sent_again_all_or_some(api, owed, by):
    dead = [await ended(owed, 0, "dead"), await ended(owed, 1, "dead")]
    await ended(owed, 2, "sent")
    bodies = {
        "nothing": ({}, 2),
        "ids": ({"ids": dead[:1]}, 1),
        "channel": ({"channel_id": owed.channel_id, "event": "monitor.down"}, 2),
        "other channel": ({"channel_id": str(uuid4())}, 0),
    }
    body, count = bodies[by]
    reply = await api.post(f"{PATH}/resend", json=body)
    assert (reply.status_code, reply.json()) == (200, {"count": count})
    assert (await told(api, "?state=pending"))["total"] == count


async def test_an_empty_list_of_ids_is_no_way_to_say_all(api, owed):
    await ended(owed, 0, "dead")
    reply = await api.post(f"{PATH}/resend", json={"ids": []})
    assert reply.status_code == 422
    assert [one["field"] for one in reply.json()["error"]["details"]["fields"]] == ["ids"]
    assert (await told(api, "?state=pending"))["total"] == 0


async def test_of_dead_tests_only_those_that_are_named_are_sent_again(api, owed):
    tests = [
        await channel_tests.create(owed.channel_id, channel_tests.sample_event(kind))
        for kind in (EventKind.TEST, EventKind.MONITOR_DOWN)
    ]
    for id_ in tests:
        await channel_tests.cancel(id_)
    codes = {one["reason_code"] for one in (await told(api))["deliveries"]}
    assert codes == {"test_timed_out"}
    assert (await api.post(f"{PATH}/resend", json={})).json() == {"count": 0}
    assert (await api.post(f"{PATH}/resend", json={"ids": tests})).json() == {"count": 2}


async def test_a_paused_channel_says_so_and_is_resumed(api, owed):
    at = f"{CHANNELS}/{owed.channel_id}"
    assert (await api.get(at)).json()["health"] == {"state": "ok", "reason": "", "since": None, "failures": 0}
    await disabled(owed)
    health = (await api.get(at)).json()["health"]
    assert (health["state"], health["reason"]) == ("disabled", "answered 401")
    assert (await api.post(f"{at}/resume")).json()["health"]["state"] == "ok"
    assert (await api.post(f"{CHANNELS}/{uuid4()}/resume")).status_code == 404


async def disabled(owed: Owing) -> None:
    now_ms = clock.now_ms()
    id_ = await owed.down(at_ms=now_ms)
    await claimed([id_], now_ms)
    await settled(AttemptResult(id_, 1, "dead", "answered 401", outcome=AttemptOutcome.CHANNEL_GONE), now_ms=now_ms)
