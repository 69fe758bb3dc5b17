"""The product alerts once about its own problems and once when they end, across processes and restarts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import msgspec
import pytest

from actors import result_backlog, uplink_status, watchdog_ping
from actors.ingest import ResultWriter
from actors.self_monitor import SelfMonitor
from actors.snapshots import Snapshots
from app import clock, db, due_set, nodes, queue, self_checks
from app.domain.system.self_checks import CONFIRMATIONS
from app.security.secrets import sealing
from app.settings import Settings
from app.store.alerting import channels
from app.store.transactions import monitors
from schema.events import EventKind
from tests import make


@pytest.fixture
async def prepared_settings(store: Settings, queue: Settings) -> Settings:
    sealing.prepare(store)
    await due_set.mark_built()
    return store


async def has_worker(*names: str) -> None:
    for name in names or ("one",):
        node = nodes.Node(id=name, role="worker", pid=1, host="h", started_at=nodes.this_node("worker").started_at)
        await queue.client().set(nodes.KEY + name, msgspec.json.encode(node), ex=nodes.TTL_S)


async def look(*watches: SelfMonitor, times: int = CONFIRMATIONS) -> None:
    for _ in range(times):
        for one in watches:
            await one.check()


async def system_events() -> list[tuple[str, str]]:
    rows = await db.rows("SELECT kind, data FROM events WHERE kind LIKE 'system.%' ORDER BY at_ms, id")
    return [(row["kind"], msgspec.json.decode(row["data"])["what"]) for row in rows]


async def test_all_is_well(prepared_settings):
    await has_worker()
    await look(SelfMonitor(prepared_settings))
    assert await system_events() == []


async def test_a_missing_worker_is_alerted_once_and_its_return_too(prepared_settings):
    watch = SelfMonitor(prepared_settings)
    await look(watch, times=5)
    assert await system_events() == [("system.no_worker", "no_worker")]
    await has_worker()
    await look(watch, times=5)
    assert await system_events() == [("system.no_worker", "no_worker"), ("system.recovered", "no_worker")]


async def test_two_schedulers_alert_once(prepared_settings):
    await look(SelfMonitor(prepared_settings), SelfMonitor(prepared_settings), times=4)
    assert await system_events() == [("system.no_worker", "no_worker")]


async def test_a_restart_repeats_no_alert_and_forgets_none(prepared_settings):
    await look(SelfMonitor(prepared_settings))
    await look(SelfMonitor(prepared_settings))
    assert await system_events() == [("system.no_worker", "no_worker")]
    await has_worker()
    await look(SelfMonitor(prepared_settings))
    (recovered,) = await db.rows("SELECT data FROM events WHERE kind = 'system.recovered'")
    assert msgspec.json.decode(recovered["data"])["duration"] >= 0


async def test_a_second_outage_is_alerted_as_well(prepared_settings):
    watch = SelfMonitor(prepared_settings)
    for _ in range(2):
        await look(watch)
        await has_worker()
        await look(watch)
        await queue.client().flushall()
        await due_set.mark_built()
    assert [kind for kind, _ in await system_events()] == ["system.no_worker", "system.recovered"] * 2


async def test_a_schedule_that_lags_is_alerted(prepared_settings):
    await has_worker()
    plan = (await monitors.create(make.monitor())).schedules[0]
    await due_set.put_series([plan], first_at_ms=clock.now_ms() - 300_000)
    await look(SelfMonitor(prepared_settings))
    assert await system_events() == [("system.schedule_lag", "schedule_lag")]


async def test_workers_without_an_uplink_are_listed(prepared_settings):
    await has_worker("north", "south")
    await uplink_status.report("north", cut_off=True)
    await look(SelfMonitor(prepared_settings))
    (row,) = await db.rows("SELECT data FROM events WHERE kind = 'system.network_gone'")
    assert "north" in msgspec.json.decode(row["data"])["msg"]


async def test_workers_with_an_uplink_or_without_a_process_are_not_listed(prepared_settings):
    await uplink_status.report("north", cut_off=True)
    await uplink_status.report("north", cut_off=False)
    await queue.client().hset(uplink_status.KEY, "long-gone", 1)
    assert await uplink_status.cut_off_workers() == []
    assert await queue.client().hlen(uplink_status.KEY) == 0


async def test_a_missing_data_directory_is_no_problem(prepared_settings, tmp_path):
    await has_worker()
    await look(SelfMonitor(replace(prepared_settings, db_type="postgres", data_dir=tmp_path / "not" / "yet")))
    assert await system_events() == []


async def lose_result(prepared_settings: Settings, times: int = 3) -> None:
    """A monitor's slot is claimed and never gets a result, however often it is queued."""
    plan = (await monitors.create(make.monitor())).schedules[0]
    await due_set.put_series([plan], first_at_ms=clock.now_ms())
    await due_set.claim_due(10)
    for _ in range(times):
        await queue.client().zadd("wk:flight", {str(plan.series): 1})
        await due_set.claim_overdue(10)


async def test_results_lost_in_consecutive_checks_are_alerted(prepared_settings):
    await has_worker()
    watch = SelfMonitor(prepared_settings)
    await watch.check()
    for _ in range(CONFIRMATIONS):
        await lose_result(prepared_settings)
        await watch.check()
    assert await system_events() == [("system.results_lost", "results_lost")]
    await look(watch)
    assert ("system.recovered", "results_lost") in await system_events()


async def test_results_lost_before_the_first_check_are_not_counted(prepared_settings):
    await has_worker()
    await lose_result(prepared_settings)
    await look(SelfMonitor(prepared_settings))
    assert await system_events() == []


async def test_a_monitor_without_a_result_for_two_intervals_is_alerted(prepared_settings):
    await has_worker()
    await queue.client().zadd("wk:stale_at", {"7": clock.now_ms() - 1, "8": clock.now_ms() + 60_000})
    await look(SelfMonitor(prepared_settings))
    (row,) = await db.rows("SELECT data FROM events WHERE kind = 'system.results_lost'")
    assert "1 monitors have had none" in msgspec.json.decode(row["data"])["msg"]


async def test_a_worker_s_backlog_of_results_is_alerted(prepared_settings):
    await has_worker()
    await result_backlog.report("one", 12.0)
    await result_backlog.report("two", 0.0)
    await look(SelfMonitor(prepared_settings))
    assert await system_events() == [("system.results_lost", "results_lost")]
    await result_backlog.report("one", 0.0)
    await look(SelfMonitor(prepared_settings))
    assert ("system.recovered", "results_lost") in await system_events()


async def test_a_worker_that_stopped_reporting_is_removed(prepared_settings):
    await queue.client().hset(result_backlog.KEY, "gone", msgspec.json.encode((1.0, 99.0)))
    assert await result_backlog.oldest_age_s() == 0
    assert await queue.client().hlen(result_backlog.KEY) == 0


async def test_an_unsent_alert_is_reported_to_health_and_the_dead_mans_switch(prepared_settings):
    await has_worker()
    channel = await channels.create(make.channel())
    monitor = (await monitors.create(make.monitor(notification_channel_ids=[channel.id]))).schedules[0]
    await ResultWriter(Snapshots()).ingest(make.results(make.down(series=monitor.series)))
    assert await watchdog_ping.is_healthy()
    await db.rows("UPDATE deliveries SET next_attempt_ms = ?1", clock.now_ms() - 60_000)
    await look(SelfMonitor(prepared_settings))
    assert await system_events() == [("system.alerts_stuck", "alerts_stuck")]
    assert not await watchdog_ping.is_healthy()
    await db.rows("UPDATE deliveries SET state = 'sent'")
    await look(SelfMonitor(prepared_settings))
    assert await watchdog_ping.is_healthy()


@asynccontextmanager
async def refusing_writes() -> AsyncIterator[None]:
    """A database that refuses to store system alerts."""
    refuse, allow = (
        (
            "CREATE TRIGGER t BEFORE INSERT ON system_alerts BEGIN SELECT RAISE(ABORT, 'no writes'); END",
            "DROP TRIGGER t",
        )
        if db.is_sqlite()
        else (
            "ALTER TABLE system_alerts ADD CONSTRAINT t CHECK (opened_ms = 0)",
            "ALTER TABLE system_alerts DROP CONSTRAINT t",
        )
    )
    await db.rows(refuse)
    try:
        yield
    finally:
        await db.rows(allow)


async def test_a_read_only_database_is_noticed_though_no_alert_can_be_stored(prepared_settings):
    await has_worker()
    await queue.client().zadd("wk:stale_at", {"7": 1})
    watch = SelfMonitor(prepared_settings)
    async with refusing_writes():
        await look(watch, times=CONFIRMATIONS - 1)
        with pytest.raises(Exception, match=r"no writes|violates"):
            await watch.check()
    assert await system_events() == []
    assert await self_checks.list_problems() == {EventKind.RESULTS_LOST}
    assert not await watchdog_ping.is_healthy()
    await queue.client().delete("wk:stale_at")
    await look(watch)
    assert await self_checks.list_problems() == set()
