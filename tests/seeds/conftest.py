"""The application and its processes, as the source documents' examples meet them."""

import pytest

from app import clock, response_cache
from app.store.transactions import monitors, results
from schema.monitors import MonitorPatch
from schema.status import Status
from tests import make
from tests.app.api.conftest import admin, application, client, database, signed_up
from tests.app.api.running_app import ADMIN_TOKEN
from tests.pipeline.conftest import spawn
from tests.seeds.example import added, example
from tests.seeds.site import standing_in

__all__ = ["admin", "application", "client", "database", "signed_up", "spawn"]


@pytest.fixture
def api(client):
    response_cache.retry_now()
    client.headers["Authorization"] = f"Bearer {ADMIN_TOKEN}"
    return client


@pytest.fixture
async def site():
    """What stands in for https://example.com."""
    async with standing_in() as target:
        yield target


@pytest.fixture
def working(spawn):
    """A scheduler and a worker."""
    spawn("schedule")
    return spawn("work")


@pytest.fixture
async def history(api):
    """A check with one result of each kind in the last minutes; returns the check."""
    check = await added(api)
    plan = (await monitors.update(check["id"], MonitorPatch(max_retries=0))).schedules[0]
    snapshots = {one.series: one for one in await monitors.list_snapshots([plan.series])}
    at_ms = clock.now_ms()
    facts = example("results_reply")["results"][0]["raw_data"]
    outcome = [
        make.outcome(series=plan.series, at_ms=at_ms - 120_000, early=True, message="fine", detail=facts),
        make.outcome(series=plan.series, at_ms=at_ms - 60_000, status=Status.DEGRADED),
        make.down(series=plan.series, at_ms=at_ms),
    ]
    await results.store_results(make.results(*outcome), snapshots, at_ms)
    await response_cache.invalidate()
    return check
