"""One process does the housekeeping; work that fails is retried in the next round."""

import asyncio
import dataclasses

from structlog.testing import capture_logs

from actors import housekeeping
from app import db, queue as queues, tasks
from app.store.history.retention import RetentionPeriods
from app.store.identity import login_failures
from app.store.system import checkpoints
from app.store.tables.rollups import HOURLY, rollup_key
from schema.login_attempts import CredentialKind, LoginAttempt
from tests.app.store import history_rows
from tests.app.store.history_rows import DAY, HOUR, START


async def test_one_process_holds_and_renews_the_lease(queue):
    assert await housekeeping.hold_leadership("first")
    assert not await housekeeping.hold_leadership("second")
    assert await housekeeping.hold_leadership("first")
    assert await queues.client().pttl(housekeeping.LEADER_KEY) > housekeeping.LEASE_MS - 10_000


async def test_the_lease_passes_to_another_process_when_it_expires(queue):
    assert await housekeeping.hold_leadership("first", lease_ms=1)
    await asyncio.sleep(0.02)
    assert await housekeeping.hold_leadership("second")


async def test_a_round_rolls_prunes_and_forgets(store):
    for no in (1, 2):
        await history_rows.series(no)
        await history_rows.beats(no, history_rows.slots(no, START, START + 3 * HOUR))
    await db.rows("UPDATE series SET deleted_ms = ?1 WHERE no = 2", START)
    with capture_logs() as logs:
        await housekeeping.run_once(START + 20 * HOUR, RetentionPeriods(heartbeat_days=0))
    assert await checkpoints.get(checkpoints.ROLLED) == START + 19 * HOUR
    assert [row["series"] for row in await db.rows("SELECT DISTINCT id >> 41 AS series FROM heartbeats")] == [1]
    assert [(line["event"], line["hours"], line["series_purged"]) for line in logs] == [("housekeeping.done", 19, 1)]


async def test_a_run_without_work_logs_nothing(store):
    with capture_logs() as logs:
        await housekeeping.run_once(START)
    assert logs == []


async def test_housekeeping_runs_until_cancelled_and_releases_the_lease(store, queue):
    await history_rows.series(1, (START, DAY))
    work = asyncio.create_task(housekeeping.run_housekeeping(store))
    async with asyncio.timeout(30):
        while not await checkpoints.get(checkpoints.ROLLED):
            await asyncio.sleep(0.02)
    await tasks.cancel(work)
    assert await queues.client().get(housekeeping.LEADER_KEY) is None


async def test_a_process_without_the_lease_does_nothing(store, queue):
    await history_rows.series(1, (START, DAY))
    await housekeeping.hold_leadership("somebody else")
    await housekeeping._run_round("me")
    assert await checkpoints.get(checkpoints.ROLLED) == 0


async def test_a_round_is_postponed_while_redis_is_unreachable(store, settings):
    await queues.start(dataclasses.replace(settings, redis_url="unix:///nowhere/valkey.sock"))
    with capture_logs() as logs:
        await housekeeping._run_round("me")
    await queues.stop()
    assert [line["event"] for line in logs] == ["housekeeping.retry"]
    assert await checkpoints.get(checkpoints.ROLLED) == 0


async def test_an_internal_error_is_logged_with_its_traceback_and_stops_nothing(store, queue):
    await history_rows.series(1, (START, DAY))
    await checkpoints.save(checkpoints.ROLLED, START + HOUR)
    unreadable = b"\x01"
    await db.rows("INSERT INTO rollups (id, data) VALUES (?1, ?2)", rollup_key(1, HOURLY, START), unreadable)
    with capture_logs() as logs:
        await housekeeping._run_round("me")
    assert [(line["event"], line["log_level"]) for line in logs] == [("housekeeping.crashed", "error")]


async def test_expired_failed_attempts_are_deleted_in_every_round(store):
    guess = LoginAttempt(CredentialKind.PASSWORD, "fingerprint", "192.0.2.1")
    await login_failures.add_failure(guess, START, START + 60_000)
    await housekeeping.run_once(START + 60_000)
    assert len(await db.rows("SELECT id FROM login_failures")) == 1
    await housekeeping.run_once(START + 60_001)
    assert len(await db.rows("SELECT id FROM login_failures")) == 0
