"""Who was alerted of an outage stays known when the channel, webhook, monitor, user or tag is deleted."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from app import clock, db, queue
from app.api.alerting import channel_tests
from app.store.monitoring import series
from app.store.transactions import results
from tests import make
from tests.app.api.notifying import notifying
from tests.app.api.running_app import ADMIN_TOKEN, SETUP, Client, Headers, bearer
from tests.receiver import Order, Receiver, receiving

API = "/api/v1"
ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
BOB = {"email": "bob@example.org", "username": "bob", "password": "correct horse"}
ADA = {"email": "ada@example.org", "username": "ada", "password": "correct horse"}


@pytest.fixture
def api(client: Client) -> Client:
    client.headers.update(ADMIN)
    return client


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as one:
        yield one


async def post(api: Client, path: str, body: dict[str, Any] | None = None, status: int = 201) -> dict[str, Any]:
    response = await api.post(f"{API}{path}", json=body or {})
    assert response.status_code == status, response.text
    found: dict[str, Any] = response.json()
    return found


async def get(api: Client, path: str, headers: Headers | None = None) -> Any:
    response = await api.get(f"{API}{path}", headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


async def deleted(api: Client, path: str) -> None:
    response = await api.delete(f"{API}{path}")
    assert response.status_code == 204, response.text


async def account(api: Client, role: str) -> tuple[str, Headers]:
    """Bob with this role, beside the first user: his id and headers."""
    await post(api, "/auth/register", {**ADA, **SETUP})
    created = await post(api, "/users", {**BOB, "role": role})
    response = await api.post(f"{API}/auth/login", json=BOB)
    api.cookies.clear()
    return created["id"], bearer(response.json())


class AlertedOutage:
    """A channel and a webhook that were alerted of the outage of a monitor with a tag."""

    def __init__(self, api: Client, receiver: Receiver) -> None:
        self.api, self.receiver = api, receiver

    async def plant(self, **rules: Any) -> "AlertedOutage":
        self.tag = await post(self.api, "/tags", {"name": "shop"})
        config = {"url": f"{self.receiver.url}/ops"}
        self.channel = await post(self.api, "/notification-channels", make.channel_json(config=config, **rules))
        hook = {"url": f"{self.receiver.url}/ci", "events": ["monitor.down"], "name": "CI of the shop"}
        self.webhook = await post(self.api, "/webhooks", hook)
        links: dict[str, Any] = {"notification_channel_ids": [self.channel["id"]], "tag_ids": [self.tag["id"]]}
        self.monitor = await post(self.api, "/monitors", make.monitor_json(**links))
        (no,) = await series.list_numbers(self.monitor["id"])
        snapshots = {one.series: one for one in await series.list_snapshots([no])}
        failed = make.down(series=no, at_ms=clock.now_ms())
        stored = await results.store_results(make.results(failed), snapshots, clock.now_ms())
        await queue.put(*queue.notify_jobs(stored.deliveries))
        return self

    async def settled(self) -> "AlertedOutage":
        """Wait until both were sent."""
        async with notifying():
            await until_states(("sent", 2))
        return self

    async def incident(self, headers: Headers | None = None) -> dict[str, Any]:
        (one,) = (await get(self.api, f"/incidents?monitor_id={self.monitor['id']}", headers))["incidents"]
        found: dict[str, Any] = await get(self.api, f"/incidents/{one['id']}", headers)
        return found

    async def deliveries(self, query: str = "", headers: Headers | None = None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await get(self.api, f"/deliveries?{query}", headers))["deliveries"]
        return found


async def until_states(*counts: tuple[str, int]) -> None:
    async with asyncio.timeout(20):
        while True:
            found = await db.rows("SELECT state, count(*) AS n FROM deliveries GROUP BY 1")
            if set(counts) <= {(row["state"], row["n"]) for row in found}:
                return
            await asyncio.sleep(0.02)


@pytest.fixture
async def outage(api: Client, receiver: Receiver) -> AlertedOutage:
    return await (await AlertedOutage(api, receiver).plant()).settled()


def notified(incident: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in incident["timeline"] if one["kind"] == "notified"]


async def test_a_deleted_channel_stays_in_the_timeline_and_the_deliveries(api, outage):
    (before,) = notified(await outage.incident())
    assert (before["channel"], before["channel_type"], before["channel_deleted_at"]) == ("ops", "webhook", None)
    await deleted(api, f"/notification-channels/{outage.channel['id']}")
    (after,) = notified(await outage.incident())
    assert after.pop("channel_deleted_at")
    before.pop("channel_deleted_at")
    assert after == before
    for query in (
        f"channel_id={outage.channel['id']}",
        f"monitor_id={outage.monitor['id']}&event=monitor.down&state=sent",
    ):
        found = {one["channel_id"]: one for one in await outage.deliveries(query)}
        one = found[outage.channel["id"]]
        assert (one["channel_name"], one["channel_type"], one["state"]) == ("ops", "webhook", "sent")
        assert one["channel_deleted_at"]
    detail = await get(api, f"/deliveries/{one['id']}")
    assert (detail["delivery"], len(detail["attempts"])) == (one, 1)
    assert detail["data"]["monitor"]["name"] == "web"


async def test_a_renamed_channel_has_its_last_name(api, outage):
    at = f"/notification-channels/{outage.channel['id']}"
    assert (await api.patch(API + at, json={"name": "on call"})).status_code == 200
    await deleted(api, at)
    assert [one["channel"] for one in notified(await outage.incident())] == ["on call"]


async def test_a_deleted_webhook_stays_in_the_deliveries_and_out_of_the_timeline(api, outage):
    await deleted(api, f"/webhooks/{outage.webhook['id']}")
    (one,) = await outage.deliveries(f"channel_id={outage.webhook['id']}")
    assert (one["channel_name"], one["channel_type"], one["state"]) == ("CI of the shop", "webhook", "sent")
    assert one["channel_deleted_at"]
    assert [one["channel"] for one in notified(await outage.incident())] == ["ops"]


async def test_deleted_ones_are_gone_from_every_other_route(api, outage):
    for path in (f"/notification-channels/{outage.channel['id']}", f"/webhooks/{outage.webhook['id']}"):
        await deleted(api, path)
        for method, at in (
            ("GET", path), ("DELETE", path), ("PATCH", path), ("POST", f"{path}/test"), ("POST", f"{path}/resume"),
            ("POST", f"{path}/rotate-secret"), ("GET", f"{path}/deliveries"),
        ):  # fmt: skip
            body = b"{}" if method == "PATCH" else None
            assert (await api.request(method, API + at, content=body)).status_code == 404, (method, at)
    assert await get(api, "/notification-channels") == {"notification_channels": [], "total": 0}
    assert await get(api, "/webhooks") == {"webhooks": [], "total": 0}
    assert (await get(api, f"/monitors/{outage.monitor['id']}"))["notification_channel_ids"] == []


async def test_nothing_is_sent_again_to_a_deleted_channel(api, outage):
    (one,) = await outage.deliveries(f"channel_id={outage.channel['id']}&event=monitor.down")
    await deleted(api, f"/notification-channels/{outage.channel['id']}")
    response = await api.post(f"{API}/deliveries/{one['id']}/resend")
    assert (response.status_code, response.json()["error"]["code"]) == (409, "CONFLICT")
    assert "deleted" in response.json()["error"]["message"]
    body = {"channel_id": outage.channel["id"]}
    assert (await post(api, "/deliveries/resend", body, status=200)) == {"count": 0}
    assert (await get(api, f"/deliveries/{one['id']}"))["delivery"]["state"] == "sent"


async def test_a_pending_delivery_is_suppressed_and_the_timeline_has_the_reason(api, receiver):
    outage = await AlertedOutage(api, receiver).plant(min_outage=600)
    await deleted(api, f"/notification-channels/{outage.channel['id']}")
    (one,) = await outage.deliveries(f"channel_id={outage.channel['id']}&event=monitor.down")
    assert (one["state"], one["reason_code"]) == ("suppressed", "channel_deleted")
    assert one["next_attempt_at"] is None
    entries = [entry for entry in (await outage.incident())["timeline"] if entry["kind"] == "suppressed"]
    assert {(entry["text"], entry["channel"]) for entry in entries} == {("the channel was deleted", "ops")}
    async with notifying():
        await receiver.arrived(1)  # the webhook's
    assert [one.path for one in receiver.arrivals] == ["/ci"]


@pytest.mark.parametrize("answer", [200, 500, 404])
async def test_a_channel_that_is_deleted_during_a_send_shows_how_that_ended(api, receiver, answer):
    receiver.answer(Order(status=answer, hang=True))
    outage = await AlertedOutage(api, receiver).plant()
    async with notifying():
        await receiver.arrived(2)  # of both
        await deleted(api, f"/notification-channels/{outage.channel['id']}")
        (one,) = await outage.deliveries(f"channel_id={outage.channel['id']}&event=monitor.down")
        assert (one["state"], bool(one["channel_deleted_at"])) == ("sending", True)
        receiver.close()
        state = {200: "sent", 500: "suppressed", 404: "dead"}[answer]
        async with asyncio.timeout(20):
            while one["state"] != state:
                (one,) = await outage.deliveries(f"channel_id={outage.channel['id']}&event=monitor.down")
                await asyncio.sleep(0.02)
    assert one["attempt_count"] == 1
    assert one["reason_code"] == {200: None, 500: "channel_deleted", 404: "rejected"}[answer]
    assert [arrival.path for arrival in receiver.arrivals].count("/ops") == 1


async def test_a_test_of_a_channel_that_is_deleted_meanwhile_fails_with_that_reason(api, outage):
    testing = asyncio.create_task(api.post(f"{API}/notification-channels/{outage.channel['id']}/test"))
    await until_states(("pending", 1))  # no worker runs
    await deleted(api, f"/notification-channels/{outage.channel['id']}")
    response = await asyncio.wait_for(testing, channel_tests.WAIT_S)
    assert (response.status_code, response.json()["error"]["details"]["reason"]) == (502, "the channel was deleted")


async def test_viewers_see_names_of_channels_but_not_of_webhooks(api, outage):
    _, bob = await account(api, "viewer")
    for _ in range(2):
        found = await outage.deliveries(headers=bob)
        names = {one["channel_id"]: one["channel_name"] for one in found}
        assert (names[outage.channel["id"]], names[outage.webhook["id"]]) == ("ops", "")
        (of_webhook,) = await outage.deliveries(f"channel_id={outage.webhook['id']}", bob)
        detail = await get(api, f"/deliveries/{of_webhook['id']}", bob)
        assert detail["delivery"] == of_webhook
        assert [one["channel"] for one in notified(await outage.incident(bob))] == ["ops"]
        if of_webhook["channel_deleted_at"] is None:
            await deleted(api, f"/notification-channels/{outage.channel['id']}")
            await deleted(api, f"/webhooks/{outage.webhook['id']}")


async def test_a_viewer_of_some_tags_sees_deleted_channels_of_visible_monitors_only(api, outage):
    other = await post(api, "/tags", {"name": "covert"})
    bob_id, bob = await account(api, "viewer")
    at = f"{API}/users/{bob_id}/visible-tags"
    await deleted(api, f"/notification-channels/{outage.channel['id']}")
    assert (await api.put(at, json={"visible_tags": [outage.tag["id"]]})).status_code == 200
    found = await outage.deliveries(f"channel_id={outage.channel['id']}", bob)
    assert {(one["channel_name"], one["monitor_id"]) for one in found} == {("ops", outage.monitor["id"])}
    assert (await api.put(at, json={"visible_tags": [other["id"]]})).status_code == 200
    assert await outage.deliveries(f"channel_id={outage.channel['id']}", bob) == []
    response = await api.get(f"{API}/incidents?monitor_id={outage.monitor['id']}", headers=bob)
    assert response.json()["incidents"] == []


async def test_a_deleted_monitor_stays_named_in_its_incident_and_deliveries(api, outage):
    before = await outage.incident()
    assert before["monitor"] == {"id": outage.monitor["id"], "name": "web", "type": "http", "is_deleted": False}
    await deleted(api, f"/monitors/{outage.monitor['id']}")
    after = await outage.incident()
    assert after["monitor"] == {"id": outage.monitor["id"], "name": "web", "type": "http", "is_deleted": True}
    assert notified(after)[0] == notified(before)[0]
    found = await outage.deliveries(f"monitor_id={outage.monitor['id']}&channel_id={outage.channel['id']}&state=sent")
    assert [one["event"] for one in found] == ["monitor.down"]
    detail = await get(api, f"/deliveries/{found[0]['id']}")
    assert detail["data"]["monitor"] == {"id": outage.monitor["id"], "name": "web", "type": "http"}


async def test_an_event_of_a_deleted_monitors_incident_still_names_it(api, outage, receiver):
    body = {"title": "Provider is out", "monitor_id": outage.monitor["id"]}
    incident = await post(api, "/incidents", body)
    await deleted(api, f"/monitors/{outage.monitor['id']}")
    await post(api, f"/incidents/{incident['id']}/resolve", status=200)
    (row,) = await db.rows(
        "SELECT data FROM events WHERE incident_id = ?1 AND kind = 'incident.resolved'", incident["id"]
    )
    assert msgspec.json.decode(row["data"])["monitor"] == {"id": outage.monitor["id"], "name": "web", "type": "http"}


async def test_a_deleted_tag_takes_no_history_with_it(api, outage):
    before = (await outage.incident(), await outage.deliveries())
    await deleted(api, f"/tags/{outage.tag['id']}")
    assert (await outage.incident(), await outage.deliveries()) == before


async def test_a_deleted_user_stays_named_in_acknowledgement_notes_and_audit_log(api, outage):
    id_, bob = await account(api, "operator")
    incident = (await outage.incident())["id"]
    for path, body in (("acknowledge", None), ("notes", {"text": "The disk is full."})):
        response = await api.post(f"{API}/incidents/{incident}/{path}", json=body, headers=bob)
        assert response.status_code < 300, response.text
    await deleted(api, f"/users/{id_}")
    found = await outage.incident()
    assert found["acknowledged_by"] == "bob"
    authors = {one["kind"]: one["author"] for one in found["timeline"]}
    assert (authors["acknowledged"], authors["note"]) == ("bob", "bob")
    entries = (await get(api, f"/audit?actor={id_}&resource=incident"))["entries"]
    assert {(one["action"], one["actor"]) for one in entries} >= {("incident.acknowledged", "bob")}


CREATED = {  # path and body of one of everything that has a name
    "check": ("/checks", {"name": "web", "plugin_type": "http", "config": {"url": "http://127.0.0.1:9/"}}),
    "channel": ("/notification-channels", make.channel_json(name="ops")),
    "escalation": ("/escalations", {"name": "On call"}),
    "monitor": ("/monitors", make.monitor_json(name="web")),
    "proxy": ("/proxies", {"name": "office", "protocol": "http", "host": "127.0.0.1", "port": 9}),
    "tag": ("/tags", {"name": "shop"}),
    "user": ("/users", {**BOB, "role": "viewer"}),
    "webhook": ("/webhooks", {"url": "http://127.0.0.1:9/", "events": ["*"], "name": "CI"}),
}


@pytest.mark.parametrize("resource", CREATED)
async def test_the_entry_of_a_deletion_names_the_deleted_resource(api, resource):
    path, body = CREATED[resource]
    if resource == "escalation":
        channel = await post(api, *CREATED["channel"])
        body = body | {"steps": [{"after": 60, "channel_ids": [channel["id"]]}]}
    created = await post(api, path, body)
    await deleted(api, f"{path}/{created['id']}")
    (entry,) = (await get(api, f"/audit?action={resource}.deleted"))["entries"]
    assert entry["resource_id"] == created["id"]
    assert entry["change"]["name"] == body.get("username", body.get("name"))
    if resource in {"channel", "check", "monitor"}:
        assert entry["change"]["type"] == body.get("type", body.get("plugin_type"))


async def test_the_entry_of_a_deleted_api_key_has_its_name(api):
    _, bob = await account(api, "viewer")
    response = await api.post(f"{API}/api-keys", json={"name": "CI", "role": "viewer"}, headers=bob)
    await deleted(api, f"/api-keys/{response.json()['id']}")
    (entry,) = (await get(api, "/audit?action=api_key.deleted"))["entries"]
    assert entry["change"] == {"name": "CI"}


async def test_a_refused_deletion_names_nothing(api, outage):
    response = await api.delete(f"{API}/tags/{outage.tag['id']}", headers={"If-Match": '"9"'})
    assert response.status_code == 412
    (entry,) = (await get(api, "/audit?action=tag.deleted"))["entries"]
    assert (entry["outcome"], entry["change"]) == ("refused", {})


async def test_a_deleted_escalation_leaves_its_entries(api, receiver):
    outage = await AlertedOutage(api, receiver).plant()
    escalation = await post(
        api, "/escalations", {"name": "On call", "steps": [{"after": 60, "channel_ids": [outage.channel["id"]]}]}
    )
    await deleted(api, f"/escalations/{escalation['id']}")
    assert (await outage.incident())["timeline"][0]["kind"] == "detected"
