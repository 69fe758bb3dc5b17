"""Deliveries over HTTP: what was sent, what was not and why, and how to send one again under the same id."""

from typing import Any
from uuid import uuid4

import pytest

from app import clock, queue
from app.domain.alerting.circuit_breaker import AttemptOutcome
from app.store.alerting import channel_tests
from app.store.alerting.delivery_results import AttemptResult
from schema.deliveries import ReasonCode, RecipientOutcome, RecipientResult
from schema.events import EventKind
from tests.app.api.running_app import ADMIN_TOKEN
from tests.app.store.channel_setup import ChannelSetup, channel_setup, claimed, claims, settled

PATH = "/api/v1/deliveries"
CHANNELS = "/api/v1/notification-channels"
ADMIN_HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
MINUTE_MS = 60_000


@pytest.fixture
def api(client):
    client.headers.update(ADMIN_HEADERS)
    return client


@pytest.fixture
async def setup(api) -> ChannelSetup:
    return await channel_setup(3)


async def list_deliveries(api, query: str = "") -> dict[str, Any]:
    response = await api.get(f"{PATH}{query}")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def ended(setup: ChannelSetup, monitor: int, state: str, error: str = "") -> str:
    """A delivery that came to this end a moment ago."""
    now_ms = clock.now_ms()
    id_ = await setup.down(monitor, at_ms=now_ms - MINUTE_MS + monitor, now_ms=now_ms - MINUTE_MS + monitor)
    await claimed([id_], now_ms)
    code = ReasonCode.REJECTED if state == "dead" else None
    await settled(AttemptResult(id_, 1, state, error, at_ms=now_ms, took_ms=250, reason_code=code), now_ms=now_ms)
    return id_


async def test_a_delivery_is_returned_with_its_event_and_attempts(api, setup):
    id_ = await ended(setup, 0, "dead", "answered 404")
    found = await list_deliveries(api, f"/{id_}")
    assert found["data"]["monitor"]["name"] == "web 0"
    delivery = found["delivery"]
    assert (delivery["state"], delivery["reason_code"], delivery["error"]) == ("dead", "rejected", "answered 404")
    assert [(one["attempt"], one["took"], one["error"]) for one in found["attempts"]] == [(1, 0.25, "answered 404")]


async def test_an_attempt_names_its_recipients(api, setup):
    now_ms = clock.now_ms()
    id_ = await setup.down(0, at_ms=now_ms, now_ms=now_ms)
    await claimed([id_], now_ms)
    recipients = (
        RecipientResult(recipient="ok@x.example", outcome=RecipientOutcome.ACCEPTED),
        RecipientResult(recipient="grey@x.example", outcome=RecipientOutcome.LATER, reason="answered 451"),
    )
    result = AttemptResult(id_, 1, "pending", "1 of 2", recipients=recipients, settled=recipients[:1], partly_sent=True)
    await settled(result, now_ms=now_ms)
    found = await list_deliveries(api, f"/{id_}")
    assert found["attempts"][0]["recipients"] == [
        {"recipient": "ok@x.example", "outcome": "accepted", "reason": ""},
        {"recipient": "grey@x.example", "outcome": "later", "reason": "answered 451"},
    ]
    assert (found["delivery"]["state"], found["delivery"]["sent_at"] is not None) == ("pending", True)


async def test_a_list_is_whole_or_paged_newest_first(api, setup):
    ids = [await ended(setup, number, "sent") for number in range(3)]
    whole = await list_deliveries(api)
    assert ([one["id"] for one in whole["deliveries"]], whole["total"]) == (ids[::-1], 3)
    page = await list_deliveries(api, "?limit=2&page=2&order=asc&sort=event_at")
    assert [one["id"] for one in page["data"]] == ids[2:]
    assert page["pagination"]["total"] == 3


async def test_a_list_shows_what_its_filters_name(api, setup):
    dead, sent = await ended(setup, 0, "dead", "no"), await ended(setup, 1, "sent")
    monitor = (await list_deliveries(api, f"/{sent}"))["delivery"]["monitor_id"]
    for query, ids in {
        "?state=dead": [dead],
        "?event=monitor.down": [sent, dead],
        "?event=monitor.up": [],
        f"?monitor_id={monitor}": [sent],
        f"?channel_id={setup.channel_id}": [sent, dead],
        f"?channel_id={uuid4()}": [],
        f"?incident_id={uuid4()}": [],
        "?from=2020-01-01T00:00:00Z": [sent, dead],
        "?to=2020-01-01T00:00:00Z": [],
    }.items():
        assert [one["id"] for one in (await list_deliveries(api, query))["deliveries"]] == ids, query


@pytest.mark.parametrize("state", ["dead", "sent"])
async def test_finished_deliveries_are_resent_under_the_same_id(api, setup, state):
    id_ = await ended(setup, 0, state)
    response = await api.post(f"{PATH}/{id_}/resend")
    assert (response.status_code, response.json()["id"], response.json()["state"]) == (200, id_, "pending")
    assert response.json()["reason_code"] is None
    assert await queue.depth("notify") == 1
    (again,) = await claims([id_], clock.now_ms() + 1)
    assert (again.id, again.attempts) == (id_, 2)


async def test_a_resend_makes_an_old_delivery_young(api, setup):
    id_ = await ended(setup, 0, "dead")
    await api.post(f"{PATH}/{id_}/resend")
    assert await claimed([id_], clock.now_ms() + 1, max_age_ms=MINUTE_MS // 2) == [id_]


async def test_pending_deliveries_are_not_resent(api, setup):
    id_ = await setup.down()
    assert (await api.post(f"{PATH}/{id_}/resend")).status_code == 409


async def test_unknown_deliveries_return_404(api):
    assert (await api.get(f"{PATH}/{uuid4()}")).status_code == 404
    assert (await api.post(f"{PATH}/{uuid4()}/resend")).status_code == 404


@pytest.mark.parametrize("by", ["nothing", "ids", "channel", "other channel"])
async def test_dead_letters_are_sent_again_all_or_some(api, setup, by):
    dead = [await ended(setup, 0, "dead"), await ended(setup, 1, "dead")]
    await ended(setup, 2, "sent")
    bodies = {
        "nothing": ({}, 2),
        "ids": ({"ids": dead[:1]}, 1),
        "channel": ({"channel_id": setup.channel_id, "event": "monitor.down"}, 2),
        "other channel": ({"channel_id": str(uuid4())}, 0),
    }
    body, count = bodies[by]
    response = await api.post(f"{PATH}/resend", json=body)
    assert (response.status_code, response.json()) == (200, {"count": count})
    assert (await list_deliveries(api, "?state=pending"))["total"] == count


async def test_an_empty_list_of_ids_does_not_mean_all(api, setup):
    await ended(setup, 0, "dead")
    response = await api.post(f"{PATH}/resend", json={"ids": []})
    assert response.status_code == 422
    assert [one["field"] for one in response.json()["error"]["details"]["fields"]] == ["ids"]
    assert (await list_deliveries(api, "?state=pending"))["total"] == 0


async def test_dead_tests_are_resent_only_by_id(api, setup):
    tests = [
        await channel_tests.create(setup.channel_id, channel_tests.sample_event(kind))
        for kind in (EventKind.TEST, EventKind.MONITOR_DOWN)
    ]
    for id_ in tests:
        await channel_tests.cancel(id_)
    codes = {one["reason_code"] for one in (await list_deliveries(api))["deliveries"]}
    assert codes == {"test_timed_out"}
    assert (await api.post(f"{PATH}/resend", json={})).json() == {"count": 0}
    assert (await api.post(f"{PATH}/resend", json={"ids": tests})).json() == {"count": 2}


async def test_a_paused_channel_is_listed_as_paused_and_resumed(api, setup):
    at = f"{CHANNELS}/{setup.channel_id}"
    assert (await api.get(at)).json()["health"] == {
        "state": "ok",
        "reason": "",
        "since": None,
        "failures": 0,
        "rejections": 0,
    }
    await disabled(setup)
    health = (await api.get(at)).json()["health"]
    assert (health["state"], health["reason"]) == ("disabled", "answered 401")
    assert (await api.post(f"{at}/resume")).json()["health"]["state"] == "ok"
    assert (await api.post(f"{CHANNELS}/{uuid4()}/resume")).status_code == 404


async def disabled(setup: ChannelSetup) -> None:
    now_ms = clock.now_ms()
    id_ = await setup.down(at_ms=now_ms)
    await claimed([id_], now_ms)
    await settled(AttemptResult(id_, 1, "dead", "answered 401", outcome=AttemptOutcome.CHANNEL_GONE), now_ms=now_ms)
