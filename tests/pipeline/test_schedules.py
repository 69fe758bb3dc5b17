"""Push monitors and cron schedules, through api, scheduler and worker as processes."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import msgspec
import pytest

from app import db
from app.api.monitoring import monitor_changes
from app.store.alerting import channels
from app.store.transactions import monitors
from app.store.transactions.monitors import MonitorChange
from schema.heartbeats import slot_of_key
from schema.monitors import Monitor
from schema.status import Status
from schema.targets import Push
from tests import make
from tests.pipeline.target import watched
from tests.pipeline.waiting import beats, until
from tests.receiver import Receiver, receiving

pytestmark = [pytest.mark.timeout(240)]

TIMEOUT_S = 150  # a whole minute of cron, and a machine that is busy
MINUTE_MS = 60_000


@dataclass
class Job:
    """Something that reports to us."""

    monitor: Monitor
    client: httpx.AsyncClient

    async def ping(self, signal: str = "", **more: str) -> None:
        """Ping; an answer means that it is stored safely."""
        assert isinstance(self.monitor.config, Push)
        at = f"/api/v1/push/{self.monitor.config.token}/{signal}".rstrip("/")
        reply = await self.client.get(at, params=more)
        assert reply.json() == {"ok": True}, reply.text


@pytest.fixture
async def client(prepared_settings, spawn, environ) -> AsyncIterator[httpx.AsyncClient]:
    """The API's address; scheduler and worker run too."""
    for command in ("api", "schedule", "work"):
        spawn(command)
    address = f"http://127.0.0.1:{environ['SERVER_PORT']}"
    async with httpx.AsyncClient(base_url=address, timeout=30) as made:
        await until(lambda: _is_ready(made))
        yield made


async def _is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/api/v1/health")).is_success
    except httpx.TransportError:
        return False


async def added(receiver: Receiver, target, **schedule) -> MonitorChange:
    """A monitor linked to the receiver, created as the API would."""
    channel = await channels.create(make.channel(make.webhook(url=receiver.url)))
    changed = await monitors.create(make.monitor(target, notification_channel_ids=[channel.id], **schedule))
    await monitor_changes.publish(changed)
    return changed


async def has_status(monitor: Monitor, status: Status) -> bool:
    return (await monitors.get(monitor.id)).status is status


async def messages(receiver: Receiver, count: int) -> list[dict]:
    """The bodies that the receiver got, in order."""
    return [msgspec.json.decode(one.body) for one in await receiver.arrived(count, TIMEOUT_S)]


async def test_a_run_that_does_not_end_is_down_and_its_success_ends_the_outage(client):
    async with receiving() as receiver:
        changed = await added(receiver, Push(grace=2), interval=3_600)
        job = Job(changed.monitor, client)
        await job.ping()
        await until(lambda: has_status(job.monitor, Status.UP))
        await job.ping("start", rid="nightly")
        (down,) = await messages(receiver, 1)
        await job.ping("0", rid="nightly")
        _, up = await messages(receiver, 2)
    assert (down["event"], up["event"]) == ("monitor.down", "monitor.up")
    assert down["data"]["msg"] == "started, but did not finish within 2 s"
    (run,) = await db.rows("SELECT detail FROM heartbeat_details WHERE detail LIKE '%ran_s%'")
    assert msgspec.json.decode(run["detail"])["ran_s"] > 2


async def test_silence_is_late_first_and_alerted_when_the_grace_has_passed(client):
    async with receiving() as receiver:
        changed = await added(receiver, Push(grace=15), interval=5)
        job = Job(changed.monitor, client)
        await job.ping()
        await until(lambda: beats(Status.PENDING))
        (down,) = await messages(receiver, 1)
        await job.ping()
        _, up = await messages(receiver, 2)
    assert (down["event"], up["event"]) == ("monitor.down", "monitor.up")
    assert down["data"]["msg"] == "no push within 5 s"
    assert up["data"]["duration"] > 0


async def test_a_cron_expression_sets_when_checks_are_made_and_reports_expected(client):
    async with watched() as target, receiving() as receiver:
        change = await added(receiver, make.http(url=target.url), cron="* * * * *", interval=None)
        silent = await added(receiver, Push(grace=2), cron="* * * * *", interval=None)
        job = Job(silent.monitor, client)
        (down,) = await messages(receiver, 1)
        await job.ping()
        _, up = await messages(receiver, 2)
        await until(lambda: has_status(change.monitor, Status.UP))
    assert [(one["event"], one["data"]["monitor"]["id"]) for one in (down, up)] == [
        ("monitor.down", job.monitor.id),
        ("monitor.up", job.monitor.id),
    ]
    assert down["data"]["msg"].endswith("since one was expected")
    slots = [slot_of_key(row["id"]) for row in await db.rows("SELECT id FROM heartbeats")]
    checked = [at_ms for series, at_ms in slots if series == change.schedules[0].series]
    assert checked
    assert target.requests.total() >= len(checked)
    assert {at_ms % MINUTE_MS for at_ms in checked} == {0}
