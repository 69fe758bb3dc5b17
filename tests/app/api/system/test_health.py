"""Health reports the state, and stays readable without Redis or the database."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from litestar import Litestar
from prometheus_client.parser import text_string_to_metric_families

from app import db, metrics, migrate, nodes
from app.settings import Settings
from app.store.system import system_alerts
from schema.events import EventKind
from tests.app.api.running_app import ADMIN_TOKEN, Client, calling, served
from tests.cluster import running_cluster

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
async def alone(database: Settings) -> AsyncIterator[Client]:
    """The API without Redis."""
    async with calling(served(replace(database, redis_url=NOWHERE))) as one:
        yield one


async def test_without_scheduler_and_workers_we_are_degraded_with_a_reason(client: Client) -> None:
    response = await client.get("/health")
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert response.json()["checks"] | {"disk_space": "", "memory": ""} == {
        "database": "ok",
        "redis": "ok",
        "disk_space": "",
        "memory": "",
        "clock": "ok",
        "scheduler": "none",
        "workers": "none",
        "schedule": "ok",
        "queue": "ok",
        "results": "ok",
        "alerts": "ok",
        "network": "ok",
    }


async def test_health_reports_lost_results_while_their_alert_is_open(client: Client) -> None:
    async with db.transaction():
        await system_alerts.open_alert(EventKind.RESULTS_LOST, 1_000)
    assert (await client.get("/health")).json()["checks"]["results"] == "lost"
    async with db.transaction():
        await system_alerts.close_alert(EventKind.RESULTS_LOST, 1_000)
    assert (await client.get("/health")).json()["checks"]["results"] == "ok"


async def test_without_redis_we_are_degraded_and_go_on_serving(alone: Client) -> None:
    response = await alone.get("/health")
    assert (response.status_code, response.json()["checks"]["redis"]) == (200, "lost")
    assert (await alone.get("/ready")).json()["ready"] is True
    assert (await alone.get("/api/v1/health")).json()["redis_available"] is False
    assert (await alone.get("/metrics")).status_code == 200


async def test_without_the_database_we_are_unhealthy_and_not_ready(client: Client) -> None:
    engine = db.engine()
    db.use_engine(_Lost())
    try:
        responses = [await client.get(path) for path in ("/health", "/ready")]
    finally:
        db.use_engine(engine)
    assert [response.status_code for response in responses] == [503, 503]


async def test_while_postgresql_only_reads_we_are_degraded_and_go_on_serving() -> None:
    with running_cluster() as cluster:
        await migrate.run(cluster.settings)
        settings = replace(cluster.settings, redis_url=NOWHERE, api_admin_token=ADMIN_TOKEN)
        async with calling(served(settings)) as client:
            client.headers["X-API-Key"] = ADMIN_TOKEN
            await cluster.execute("ALTER ROLE watchkeeper SET default_transaction_read_only = on")
            await cluster.cut()  # connections that are opened from now on only read
            async with asyncio.timeout(20):
                while (response := await client.get("/health")).json()["checks"]["database"] != "read-only":
                    await asyncio.sleep(0.05)
            ready = await client.get("/ready")
            read = await client.get("/api/v1/proxies")
            written = await client.post("/api/v1/tags", json={"name": "shop"})
    assert (read.status_code, written.status_code) == (200, 503)
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)


async def test_before_the_migrations_we_are_not_ready(settings: Settings, tmp_path: Path) -> None:
    blank = replace(settings, db_type="sqlite", db_path=str(tmp_path / "blank.sqlite3"))
    async with calling(served(blank)) as client:
        assert (await client.get("/ready")).status_code == 503


async def test_while_stopping_we_are_not_ready(client: Client, application: Litestar) -> None:
    application.state.draining = True
    assert (await client.get("/ready")).json()["ready"] is False


async def test_the_api_reports_that_it_runs(client: Client) -> None:
    body = (await client.get("/api/v1/health")).json()
    assert (body["status"], body["redis_available"], body["cache_enabled"]) == ("ok", True, True)


async def test_requests_are_counted_by_method_and_status(client: Client) -> None:
    await client.get("/api/v1/nothing")
    page = (await client.get("/metrics")).text
    counted = next(one for one in text_string_to_metric_families(page) if one.name == "http_requests")
    labels = [sample.labels | {"node": ""} for sample in counted.samples]
    assert {"method": "GET", "status": "404", "node": ""} in labels
    assert "http_request_duration_seconds_bucket" in page


async def test_the_page_merges_what_other_nodes_published(client: Client) -> None:
    await metrics.publish_once("worker-x-1")
    page = (await client.get("/metrics")).text
    assert page.count("# TYPE http_requests_total counter") == 1
    assert 'node="worker-x-1"' in page
    assert f'node="{nodes.node_id("api")}"' in page


async def test_a_node_is_alive_while_it_sends_heartbeats(client: Client) -> None:
    assert [one.role for one in await nodes.list_alive()] == ["api"]


class _Lost:
    """An engine whose database went away."""

    engine_type = "sqlite"

    def __getattr__(self, _: str) -> None:
        raise OSError("gone")
