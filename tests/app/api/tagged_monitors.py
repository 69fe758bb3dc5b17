"""Monitors with a history: some visible to a viewer of one tag, some not."""

from time import time
from typing import Any

from app.store.alerting import delivery_claims
from app.store.monitoring import series
from app.store.transactions import results
from schema.status import Status
from tests import make
from tests.app.api.running_app import ADMIN_TOKEN, SETUP, Client, Headers, bearer

ADMIN_HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
BOB = {"email": "bob@example.org", "password": "correct horse"}
STEPS = 3


class Planted:
    """Ids and names. `secret` is hidden from a viewer of `open_tag`."""

    def __init__(self, client: Client, api: str = "/api/v1") -> None:
        self.client, self.api = client, api
        self.beats: dict[str, list[str]] = {}

    async def post(self, path: str, **body: Any) -> dict[str, Any]:
        """Create a resource as an admin; returns its body."""
        response = await self.client.post(self.api + path, json=body, headers=ADMIN_HEADERS)
        assert response.status_code == 201, response.text
        created: dict[str, Any] = response.json()
        return created

    async def plant(self) -> "Planted":
        """Two tags; a monitor under each; a visible group with a hidden member; one proxy for both.

        The visible monitor has the hidden one as its parent.
        """
        self.open_tag, self.secret_tag = await self.post("/tags", name="open"), await self.post("/tags", name="covert")
        draft = make.channel_json(is_default=True, tag_ids=[self.secret_tag["id"]])
        channel = await self.post("/notification-channels", **draft)
        steps = [{"after": 300, "channel_ids": [channel["id"]]}]
        self.escalation = await self.post("/escalations", name="On call", steps=steps)
        proxy = await self.post("/proxies", name="office", protocol="http", host="127.0.0.1", port=9)
        through = {"url": "http://127.0.0.1:9/", "proxy_id": proxy["id"]}
        self.plain = await self.monitor("plainly-visible", through, self.open_tag, self.secret_tag)
        self.secret = await self.monitor("deeply-hidden", through, self.secret_tag)
        self.bare = await self.monitor("bare-of-tags", through)
        members = {"members": [self.plain["id"], self.secret["id"]]}
        self.group = await self.post(
            "/monitors", **make.monitor_json("group", members, name="a-group", tag_ids=[self.open_tag["id"]])
        )
        response = await self.client.patch(
            f"{self.api}/monitors/{self.plain['id']}", json={"parent_ids": [self.secret["id"]]}, headers=ADMIN_HEADERS
        )
        assert response.json()["parent_ids"] == [self.secret["id"]]
        for one in (self.plain, self.secret, self.bare):
            await self.live(one["id"])
        of_secret = await self.client.get(f"{self.api}/monitors/{self.secret['id']}/incidents", headers=ADMIN_HEADERS)
        (self.incident,) = of_secret.json()["incidents"]
        for one in (self.plain, self.secret):
            change = {"escalation_id": self.escalation["id"]}
            await self.client.patch(f"{self.api}/monitors/{one['id']}", json=change, headers=ADMIN_HEADERS)
        await self.suppress()
        return self

    async def suppress(self) -> None:
        """Suppress the outage of the visible monitor because of its hidden parent, as a worker does."""
        path = f"{self.api}/deliveries?monitor_id={self.plain['id']}"
        pending = (await self.client.get(path, headers=ADMIN_HEADERS)).json()["deliveries"]
        await delivery_claims.claim([one["id"] for one in pending], int(time() * 1000))
        deliveries = (await self.client.get(path, headers=ADMIN_HEADERS)).json()["deliveries"]
        assert {one["error"] for one in deliveries} == {"parent 'deeply-hidden' is down"}

    async def monitor(self, name: str, config: dict[str, Any], *tags: dict[str, Any]) -> dict[str, Any]:
        """A monitor with these tags."""
        ids = [tag["id"] for tag in tags]
        return await self.post("/monitors", **make.monitor_json(config=config, name=name, tag_ids=ids))

    async def live(self, monitor_id: str) -> None:
        """Give it a short history: down, so that it matters."""
        (snapshot,) = await series.list_snapshots(await series.list_numbers(monitor_id))
        now_ms = int(time()) * 1000
        ats = [now_ms - step * make.MINUTE_MS for step in range(STEPS, 0, -1)]
        outcomes = [make.down(series=snapshot.series, version=snapshot.version, at_ms=at) for at in ats]
        await results.store_results(make.results(*outcomes), {snapshot.series: snapshot}, now_ms)
        response = await self.client.get(f"{self.api}/monitors/{monitor_id}/heartbeats", headers=ADMIN_HEADERS)
        self.beats[monitor_id] = [one["id"] for one in response.json()["heartbeats"]]
        assert {one["status"] for one in response.json()["heartbeats"]} == {Status.DOWN}

    @property
    def needles(self) -> dict[str, str]:
        """What must appear nowhere: its name and the text to look for."""
        hidden = {"secret": self.secret, "bare": self.bare}
        found = {f"{name} {field}": one[field] for name, one in hidden.items() for field in ("id", "name")}
        beats = {
            f"{name} heartbeat {n}": id_ for name, one in hidden.items() for n, id_ in enumerate(self.beats[one["id"]])
        }
        found["secret incident"] = self.incident["id"]
        return {**found, **beats, "secret tag id": self.secret_tag["id"], "secret tag": self.secret_tag["name"]}

    async def viewer(self, *tags: dict[str, Any]) -> tuple[str, Headers]:
        """(id, headers) of a viewer of these tags."""
        await self.client.post(f"{self.api}/auth/register", json={**BOB, **SETUP, "email": "first@example.org"})
        await self.client.post(f"{self.api}/auth/register", json=BOB)
        login = (await self.client.post(f"{self.api}/auth/login", json=BOB)).json()
        self.client.cookies.clear()
        await self.narrow(login["user"]["id"], *tags)
        return login["user"]["id"], bearer(login)

    async def narrow(self, user_id: str, *tags: dict[str, Any]) -> None:
        """Limit the user to these tags from now on."""
        body = {"visible_tags": [tag["id"] for tag in tags]}
        response = await self.client.put(f"{self.api}/users/{user_id}/visible-tags", json=body, headers=ADMIN_HEADERS)
        assert response.status_code == 200, response.text
