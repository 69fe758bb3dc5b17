"""Checks make room while alerts are late, and only as long as that is measured."""

import pytest

from actors import notify, senders
from actors.alert_lag import MAX_COLLECT_S, MAX_PAUSE_S, RECENT_S, AlertLag
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


class Time:
    """The time that lags are measured at."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def lag(time) -> AlertLag:
    return AlertLag(time)


def spacing_s(lag: AlertLag) -> float:
    """Between the starts of the next two checks."""
    first = lag.start_delay_s()
    return lag.start_delay_s() - first


def test_checks_start_at_once_while_alerts_are_in_time(lag):
    assert [lag.start_delay_s() for _ in range(3)] == [0, 0, 0]
    assert lag.collect_s() == 0


def test_the_later_alerts_are_the_more_room_is_made(lag):
    spacings, waits = [], []
    for lag_s in (0.1, 0.5, 1.0, 4.0):
        lag.note("notify", lag_s)
        spacings.append(spacing_s(lag))
        waits.append(lag.collect_s())
    assert spacings == sorted(set(spacings))
    assert waits == sorted(waits)
    assert spacings[0] < 0.0001, "next to nothing for a lag that nobody notices"


def test_the_room_for_alerts_is_bounded(lag):
    lag.note("ingest", 3_600)
    assert spacing_s(lag) == pytest.approx(MAX_PAUSE_S)
    assert lag.collect_s() == MAX_COLLECT_S


def test_checks_that_start_together_share_one_pace(lag, time):
    lag.note("ingest", 3_600)
    delays = [lag.start_delay_s() for _ in range(5)]
    assert delays == pytest.approx([number * MAX_PAUSE_S for number in range(5)])
    time.now_s += 1
    assert lag.start_delay_s() == 0, "the last start is long ago"


def test_the_stages_are_added_and_each_may_catch_up(lag):
    lag.note("ingest", 0.7)
    lag.note("notify", 0.7)
    assert lag.seconds() == pytest.approx(1.4)
    lag.note("ingest", 0.0)
    assert lag.seconds() == pytest.approx(0.7)


def test_a_lag_that_nobody_measures_any_more_holds_up_no_check(lag, time):
    lag.note("ingest", 60)
    time.now_s += RECENT_S
    assert lag.seconds() == 0


@pytest.mark.parametrize(("quick_s", "counts"), [(60, True), (0, False)])
async def test_storing_and_sending_to_quick_channels_measure_how_late_they_are(
    store, queue, monkeypatch, quick_s, counts
):
    monkeypatch.setattr(notify, "QUICK_S", quick_s)
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
        after_ingest_s = lag.seconds()
        known = {one.series: one for one in await series.list_snapshots([no])}
        stored = await results.store_results(make.results(make.down(series=no, at_ms=then_ms + 1)), known, then_ms)
        context, lag = senders.make_context(), AlertLag()
        notifier = Notifier(context, "https://watch.example", lag=lag)
        await notifier.admit(NotifyBatch(stored.deliveries))
        await notifier.drained()
        await context.close()
    assert len(receiver.arrivals) == 1
    assert after_ingest_s >= 29
    assert (lag.seconds() >= 29) is counts


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
