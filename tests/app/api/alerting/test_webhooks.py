"""Webhooks over HTTP: registered, changed, tested, rotated, and each delivery looked at and sent again."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from app import clock, db, queue
from app.store.alerting import outbox, webhooks
from schema.events import EventKind
from tests import make
from tests.app.api.notifying import notifying
from tests.app.api.running_app import ADMIN_TOKEN
from tests.receiver import Order, receiving

PATH, UNKNOWN_ID = "/api/v1/webhooks", "00000000-0000-0000-0000-000000000000"
DAY_MS = 86_400_000
HOOK = {"url": "http://127.0.0.1:9/hook", "events": ["backend.*"]}


@pytest.fixture
def api(client):
    client.headers.update({"Authorization": f"Bearer {ADMIN_TOKEN}"})
    return client


async def added(api, **changes) -> dict[str, Any]:
    response = await api.post(PATH, json=HOOK | changes)
    assert response.status_code == 201, response.text
    thing: dict[str, Any] = response.json()
    return thing


async def happens(kind: EventKind = EventKind.BACKEND_DOWN, after_ms: int = 0) -> None:
    """An event, sent to its subscribers."""
    async with db.transaction():
        _, deliveries = await outbox.record_event(kind, {"backend": "app-1"}, clock.now_ms() + after_ms)
    await queue.put(*queue.notify_jobs(deliveries))


def signed(secret: str, raw: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


def faults(response) -> dict[str, str]:
    assert response.status_code == 422, response.text
    return {one["field"]: one["message"] for one in response.json()["error"]["details"]["fields"]}


async def test_a_webhook_is_added_read_changed_and_removed(api):
    hook = await added(api, secret="sesame")
    at = f"{PATH}/{hook['id']}"
    assert (await api.get(at)).json() == hook
    assert (hook["name"], hook["active"], hook["health"]["state"]) == ("127.0.0.1:9", True, "ok")
    assert (await api.patch(at, json={"active": False})).json()["active"] is False
    assert (await api.put(at, json={"name": "CI", "events": ["*"]})).json()["events"] == ["*"]
    assert (await api.delete(at)).status_code == 204
    assert (await api.get(at)).status_code == 404


async def test_a_generated_secret_is_returned_once(api):
    hook = await added(api)
    assert hook["secret"].startswith("whsec_")
    responses = [await api.get(f"{PATH}/{hook['id']}"), await api.get(PATH), await api.get(f"{PATH}?page=1")]
    assert all(hook["secret"] not in response.text for response in responses)
    assert responses[0].json()["secret"] == "********"
    (stored,) = await db.rows("SELECT config FROM channels")
    assert hook["secret"] not in stored["config"]


async def test_a_secret_sent_by_the_client_is_never_returned(api):
    hook = await added(api, secret="sesame", headers={"X-Key": "sesame"})
    assert (hook["secret"], hook["headers"]) == ("********", {"X-Key": "********"})


@pytest.mark.parametrize(
    ("events_", "fields"),
    [
        (["backend.exploded"], {"events.0"}),
        (["monitor.*", "nonsense.*", "*"], {"events.1"}),
        (["Backend.Down"], {"events.0"}),
        ([], {"events"}),
    ],
)
async def test_a_pattern_that_means_nothing_is_refused_by_its_place(api, events_, fields):
    assert set(faults(await api.post(PATH, json=HOOK | {"events": events_}))) == fields
    at = f"{PATH}/{(await added(api))['id']}"
    assert set(faults(await api.patch(at, json={"events": events_}))) == fields


@pytest.mark.parametrize("value", ["a\r\nEvil: 1", "a\nb", "a\rb"])
async def test_a_header_is_one_line(api, value):
    assert set(faults(await api.post(PATH, json=HOOK | {"headers": {"X-Key": value}}))) == {"headers.X-Key"}
    channel = {"name": "hook", "type": "webhook", "config": {"url": HOOK["url"], "headers": {"X-Key": value}}}
    found = await api.post("/api/v1/notification-channels", json=channel)
    assert set(faults(found)) == {"config.headers.X-Key"}


async def test_secrets_stay_with_the_host_they_were_set_for(api):
    at = f"{PATH}/{(await added(api, secret='sesame', headers={'X-Key': 'a'}))['id']}"
    assert (await api.patch(at, json={"url": "http://127.0.0.1:9/other"})).status_code == 200
    elsewhere = {"url": "http://evil.example/hook"}
    assert set(faults(await api.patch(at, json=elsewhere))) == {"secret", "headers.X-Key"}
    await api.post(f"{at}/rotate-secret")
    assert set(faults(await api.patch(at, json=elsewhere))) == {"secret", "headers.X-Key"}
    moved = await api.patch(at, json={**elsewhere, "secret": "new", "headers": {}})
    assert (moved.status_code, moved.json()["headers"]) == (200, {})


async def test_lists_are_whole_or_paged_and_know_nothing_of_channels(api):
    await api.post("/api/v1/notification-channels", json=make.channel_json())
    await added(api, name="b")
    off = await added(api, name="a", active=False)
    whole, paged = (await api.get(PATH)).json(), (await api.get(f"{PATH}?limit=1&order=desc")).json()
    assert ([one["name"] for one in whole["webhooks"]], whole["total"]) == (["a", "b"], 2)
    assert ([one["name"] for one in paged["data"]], paged["pagination"]["pages"]) == (["b"], 2)
    assert [one["id"] for one in (await api.get(f"{PATH}?active=false&q=A")).json()["webhooks"]] == [off["id"]]


async def test_no_channel_route_and_no_monitor_knows_a_webhook(api):
    hook, channels = await added(api), "/api/v1/notification-channels"
    assert (await api.get(channels)).json()["total"] == 0
    assert (await api.get(f"{channels}/{hook['id']}")).status_code == 404
    linked = await api.post("/api/v1/monitors", json=make.monitor_json(notification_channel_ids=[hook["id"]]))
    assert set(faults(linked)) == {"notification_channel_ids.0"}


async def test_an_example_of_any_event_is_sent_and_marked(api):
    async with receiving() as receiver, notifying():
        at = f"{PATH}/{(await added(api, url=receiver.url, active=False))['id']}/test"
        responses = [await api.post(at), await api.post(at, json={"event": "backend.down"})]
    assert [response.status_code for response in responses] == [200, 200]
    bodies = [json.loads(one.body) for one in receiver.arrivals]
    assert [one["event"] for one in bodies] == ["channel.test", "backend.down"]
    assert all(one["data"]["test"] is True for one in bodies)
    assert set(faults(await api.post(at, json={"event": "backend.exploded"}))) == {"event"}


async def test_a_refused_example_reports_why_and_is_not_retried(api):
    async with receiving() as receiver, notifying():
        receiver.answer(Order(status=500))
        at = f"{PATH}/{(await added(api, url=receiver.url))['id']}"
        response = await api.post(f"{at}/test", json={"event": "backend.down"})
    assert (response.status_code, len(receiver.arrivals)) == (502, 1)
    (delivery,) = (await api.get(f"{at}/deliveries")).json()["deliveries"]
    assert (delivery["state"], delivery["error"]) == ("dead", "answered 500 Internal Server Error")


async def test_the_example_of_one_webhook_is_no_other_ones_business(api):
    async with receiving() as receiver, notifying():
        other = await added(api, events=["*"])
        at = f"{PATH}/{(await added(api, url=receiver.url))['id']}"
        assert (await api.post(f"{at}/test")).status_code == 200
    assert (await api.get(f"{PATH}/{other['id']}/deliveries")).json()["total"] == 0


async def test_a_rotated_secret_signs_beside_the_new_one_for_a_day(api):
    async with receiving() as receiver, notifying():
        hook = await added(api, url=receiver.url, secret="old")
        at = f"{PATH}/{hook['id']}"
        rotated = (await api.post(f"{at}/rotate-secret")).json()
        await happens()
        (arrival,) = await receiver.arrived()
        assert arrival.headers["X-Webhook-Signature"] == signed(rotated["secret"], arrival.body)
        assert arrival.headers["X-Webhook-Signature-Previous"] == signed("old", arrival.body)
        assert (await api.get(at)).json()["previous_secret_until"] == rotated["previous_secret_until"]
        await forget_rotated(1)
        await happens()
        arrival = (await receiver.arrived(2))[1]
    assert "X-Webhook-Signature-Previous" not in arrival.headers
    assert arrival.headers["X-Webhook-Signature"] == signed(rotated["secret"], arrival.body)
    assert rotated["secret"] not in (await api.get(at)).text


async def forget_rotated(wanted: int) -> None:
    """A day later."""
    (row,) = await db.rows("SELECT rotated_ms FROM channels WHERE rotated_ms IS NOT NULL")
    assert await webhooks.drop_previous_secrets(row["rotated_ms"] + DAY_MS - 1) == 0
    assert await webhooks.drop_previous_secrets(row["rotated_ms"] + DAY_MS) == wanted


async def test_a_secret_that_is_sent_takes_the_place_of_both(api):
    at = f"{PATH}/{(await added(api))['id']}"
    await api.post(f"{at}/rotate-secret")
    changed = (await api.patch(at, json={"secret": "mine"})).json()
    assert changed["previous_secret_until"] is None


async def test_deliveries_are_listed_newest_first_and_sent_again_to_the_byte(api):
    async with receiving() as receiver, notifying():
        receiver.answer(Order(status=404, times=1))
        at = f"{PATH}/{(await added(api, url=receiver.url))['id']}/deliveries"
        await happens()
        await receiver.arrived()
        (dead,) = await settled(api, f"{at}?state=dead", 1)
        await happens(EventKind.BACKEND_UP, 1)
        await settled(api, f"{at}?state=sent", 1)
        assert [one["event"] for one in (await api.get(at)).json()["deliveries"]] == ["backend.up", "backend.down"]
        again = await api.post(f"{at}/{dead['id']}/redeliver")
        assert (again.status_code, again.json()["state"]) == (202, "pending")
        first, _, second = await receiver.arrived(3)
        (up, down) = await settled(api, f"{at}?state=sent&page=1", 2)
    assert (first.id, first.body) == (second.id, second.body) == (dead["id"], first.body)
    assert (up["attempt_count"], down["attempt_count"], down["error"]) == (1, 2, "")


async def settled(api, at: str, wanted: int) -> list[dict[str, Any]]:
    """The deliveries at that address, as soon as there are so many."""
    for _ in range(200):
        body = (await api.get(at)).json()
        found: list[dict[str, Any]] = body.get("deliveries", body.get("data"))
        if len(found) == wanted:
            return found
    raise AssertionError(body)


async def test_pending_or_foreign_deliveries_are_not_redelivered(api):
    at = f"{PATH}/{(await added(api))['id']}/deliveries"
    other = f"{PATH}/{(await added(api, events=['cluster.*']))['id']}/deliveries"
    await happens()
    (one,) = (await api.get(at)).json()["deliveries"]
    assert one["state"] == "pending"
    assert (await api.post(f"{at}/{one['id']}/redeliver")).status_code == 409
    assert (await api.post(f"{other}/{one['id']}/redeliver")).status_code == 404
    assert (await api.post(f"{at}/{UNKNOWN_ID}/redeliver")).status_code == 404


async def test_a_change_lets_a_paused_one_try_again(api):
    hook = await added(api)
    await db.rows("UPDATE channels SET disabled_ms = 1, disabled_reason = 'answered 410 Gone', temporary_failures = 3")
    health = (await api.get(f"{PATH}/{hook['id']}")).json()["health"]
    assert (health["state"], health["reason"], health["failures"]) == ("disabled", "answered 410 Gone", 3)
    changed = (await api.patch(f"{PATH}/{hook['id']}", json={"active": True})).json()["health"]
    assert (changed["state"], changed["reason"], changed["disabled_at"]) == ("ok", "", None)


async def test_a_change_leaves_nothing_of_a_failure(api):
    at = f"{PATH}/{(await added(api))['id']}"
    (new,) = await db.rows("SELECT * FROM channels")
    await db.rows(
        "UPDATE channels SET temporary_failures = 3, permanent_failures = 3, circuit_open_until_ms = 9,"
        " disabled_ms = 1, disabled_reason = 'gone', last_error = 'gone', failing_since_ms = 1"
    )
    assert (await api.patch(at, json={"active": True})).status_code == 200
    (changed,) = await db.rows("SELECT * FROM channels")
    assert {name for name in dict(new) if changed[name] != new[name]} <= {"config", "version", "updated_ms"}


async def test_a_monitor_sends_every_event_up_to_its_deletion(api):
    async with receiving() as receiver, notifying():
        await added(api, url=receiver.url, events=["monitor.*"])
        monitor = (await api.post("/api/v1/monitors", json=make.monitor_json(name="shop"))).json()
        at = f"/api/v1/monitors/{monitor['id']}"
        await api.patch(at, json={"name": "store"})
        await api.post(f"{at}/pause")
        await api.post(f"{at}/resume")
        await api.delete(at)
        payloads = [json.loads(one.body) for one in await receiver.arrived(5)]
    kinds = ["created", "updated", "paused", "resumed", "deleted"]
    assert [one["event"] for one in payloads] == [f"monitor.{kind}" for kind in kinds]
    assert {one["data"]["monitor"]["id"] for one in payloads} == {monitor["id"]}
    assert payloads[-1]["data"]["monitor"]["name"] == "store"


@pytest.mark.parametrize(
    ("login", "header"),
    [
        ({"username": "ann", "password": "sesame"}, "Basic YW5uOnNlc2FtZQ=="),
        ({"bearer_token": "sesame"}, "Bearer sesame"),
    ],
)
async def test_a_webhook_signs_in_with_secrets_that_are_masked(api, login, header):
    async with receiving() as receiver, notifying():
        hook = await added(api, url=receiver.url, **login)
        at = f"{PATH}/{hook['id']}"
        masked = {name: value.replace("sesame", "********") for name, value in login.items()}
        assert {name: hook[name] for name in login} == masked
        changed = await api.patch(at, json={"name": "CI"} | masked)
        assert changed.status_code == 200, changed.text
        assert (await api.post(f"{at}/test")).status_code == 200
        assert receiver.arrivals[0].headers["Authorization"] == header
        moved = await api.patch(at, json={"url": "http://127.0.0.2:9/"})
        assert set(faults(moved)) >= {name for name, value in login.items() if value == "sesame"}


async def test_a_webhook_names_its_proxy_or_is_refused_an_unknown_one(api):
    proxy = {"name": "office", "protocol": "socks5", "host": "127.0.0.1", "port": 9}
    id_ = (await api.post("/api/v1/proxies", json=proxy)).json()["id"]
    assert (await added(api, proxy_id=id_))["proxy_id"] == id_
    assert set(faults(await api.post(PATH, json=HOOK | {"proxy_id": UNKNOWN_ID}))) == {"proxy_id"}
    assert (await api.delete(f"/api/v1/proxies/{id_}")).status_code == 409
