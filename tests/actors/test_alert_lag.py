"""Checks make room while alerts are late, and only as long as that is measured."""

import pytest

from actors import alert_lag, senders
from actors.alert_lag import ALLOWED_S, MAX_PAUSE_S, RECENT_S, AlertLag
from actors.check import CheckRunner
from actors.ingest import ResultWriter
from actors.notify import Notifier
from actors.probes import open_probe_context
from actors.snapshots import Snapshots
from app import clock
from app.security.secrets import sealing
from app.store.alerting import channels
from app.store.monitoring import series
from app.store.transactions import monitors, results
from schema.jobs import CheckBatch, NotifyBatch, ResultBatch
from tests import make
from tests.actors.queued_jobs import jobs_of
from tests.receiver import receiving


@pytest.fixture
def now(monkeypatch) -> list[float]:
    """The time that lags are measured at; its only item may be changed."""
    times = [1_000.0]
    monkeypatch.setattr(alert_lag, "monotonic", lambda: times[0])
    return times


@pytest.mark.parametrize(("lag_s", "waits"), [(0.0, False), (ALLOWED_S, False), (ALLOWED_S + 0.1, True), (3_600, True)])
def test_checks_wait_when_alerts_are_late(now, lag_s, waits):
    lag = AlertLag()
    lag.note("ingest", lag_s)
    assert (lag.pause_s() > 0) is waits
    assert lag.pause_s() <= MAX_PAUSE_S


def test_the_later_alerts_are_the_longer_checks_wait(now):
    pauses = []
    for lag_s in (1.5, 2.5, 4.0):
        lag = AlertLag()
        lag.note("notify", lag_s)
        pauses.append(lag.pause_s())
    assert pauses == sorted(set(pauses))


def test_the_stages_are_added_and_each_may_catch_up(now):
    lag = AlertLag()
    lag.note("ingest", 0.7)
    assert lag.pause_s() == 0
    lag.note("notify", 0.7)
    assert lag.pause_s() > 0
    lag.note("ingest", 0.0)
    assert lag.pause_s() == 0


def test_a_lag_that_nobody_measures_any_more_holds_up_no_check(now):
    lag = AlertLag()
    lag.note("ingest", 60)
    now[0] += RECENT_S
    assert lag.pause_s() == 0


async def test_storing_and_sending_measure_how_late_they_are(store, queue):
    sealing.prepare(store)
    lag, snapshots = AlertLag(), Snapshots()
    async with receiving() as receiver:
        channel = await channels.create(make.channel(make.webhook(url=receiver.url)))
        changed = await monitors.create(make.monitor(notification_channel_ids=[channel.id]))
        (no,) = [one.series for one in changed.schedules]
        then_ms = clock.now_ms() - 30_000
        await ResultWriter(snapshots, lag).ingest(
            make.results(make.outcome(series=no, at_ms=then_ms, began_ms=then_ms))
        )
        after_ingest_s = lag.pause_s()
        known = {one.series: one for one in await series.list_snapshots([no])}
        stored = await results.store_results(make.results(make.down(series=no, at_ms=then_ms + 1)), known, then_ms)
        context, lag = senders.make_context(), AlertLag()
        notifier = Notifier(context, "https://watch.example", lag=lag)
        await notifier.admit(NotifyBatch(stored.deliveries))
        await notifier.drained()
        await context.close()
    assert len(receiver.arrivals) == 1
    assert after_ingest_s == lag.pause_s() == MAX_PAUSE_S


async def test_late_alerts_delay_checks_and_lose_none(store, queue):
    sealing.prepare(store)
    lag, context, snapshots = AlertLag(), await open_probe_context(store), Snapshots()
    lag.note("ingest", 2.0)
    runner = CheckRunner(context, snapshots, 10, lag)
    runner.start()
    changed = await monitors.create(make.monitor(make.http(url="http://127.0.0.1:9/")))
    slots = [make.slot(series=one.series, version=one.version) for one in changed.schedules]
    await runner.admit(CheckBatch(slots))
    await runner.close(10)
    await context.close()
    (job,) = await jobs_of(ResultBatch)
    assert [one.series for one in job.outcomes] == [slots[0].series]
