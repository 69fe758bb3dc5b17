"""A monitor's change is one fact: its row, its era and its events are stored together, or nothing is."""

import pytest

from app import clock, db
from app.errors import Conflict, Invalid, NoSuch, Stale
from app.security.secrets import sealing
from app.store.alerting import channels
from app.store.monitoring import schedule_coverage
from app.store.transactions import monitors
from app.store.transactions.monitors import MonitorQuery
from schema.events import EventKind
from schema.field_types import MASK
from schema.monitors import MonitorPatch
from schema.status import Status
from schema.targets import Http, HttpBearerAuth, Push
from tests import make

UNKNOWN_ID = "00000000-0000-0000-0000-000000000000"
TOKEN = "a-token-of-sixteen-or-more"


@pytest.fixture(autouse=True)
def sealed(store):
    sealing.prepare(store)


def secretive() -> Http:
    return make.http(auth=HttpBearerAuth(token="sesame"), headers={"X-Key": "plugh"})


async def period_intervals() -> list[int]:
    return [row["interval_ms"] for row in await db.rows("SELECT interval_ms FROM schedule_periods ORDER BY from_ms")]


async def kinds() -> list[str]:
    return [row["kind"] for row in await db.rows("SELECT kind FROM events ORDER BY created_ms, kind")]


async def names(**wanted) -> list[str]:
    return [one.name for one in (await monitors.list_page(MonitorQuery(**wanted)))[0]]


async def test_a_new_monitor_has_a_series_a_schedule_period_an_event_and_a_plan():
    changed = await monitors.create(make.monitor(interval=30))
    assert changed.schedules == await monitors.list_schedules()
    assert (changed.schedules[0].interval_ms, changed.schedules[0].timeout_ms) == (30_000, 16_000)
    assert await period_intervals() == [30_000]
    assert await kinds() == [EventKind.MONITOR_CREATED]
    assert changed.monitor == await monitors.get(changed.monitor.id)
    assert changed.monitor.status is Status.UNKNOWN


async def test_secrets_are_sealed_in_the_row_masked_in_the_answer_and_open_in_the_snapshot():
    changed = await monitors.create(make.monitor(secretive()))
    row = (await db.rows("SELECT config FROM monitors"))[0]
    assert "sesame" not in row["config"]
    assert changed.monitor.config == make.http(auth=HttpBearerAuth(token=MASK), headers={"X-Key": MASK})
    assert (await monitors.list_snapshots([changed.schedules[0].series]))[0].target == secretive()


async def test_the_mask_keeps_a_secret_and_another_value_replaces_it():
    changed = await monitors.create(make.monitor(secretive()))
    auth = {"method": "bearer", "token": MASK}
    patch = MonitorPatch(config={"url": "http://127.0.0.1:9/other", "auth": auth, "headers": {"X-Key": "new"}})
    await monitors.update(changed.monitor.id, patch)
    target = (await monitors.list_snapshots([changed.schedules[0].series]))[0].target
    assert target == make.http(
        url="http://127.0.0.1:9/other", auth=HttpBearerAuth(token="sesame"), headers={"X-Key": "new"}
    )


async def test_a_new_monitor_can_not_keep_anything():
    with pytest.raises(Invalid) as raised:
        await monitors.create(make.monitor(make.http(headers={"X-Key": MASK})))
    assert [one.field for one in raised.value.fields] == ["config.headers.X-Key"]


@pytest.mark.parametrize(("interval", "seconds"), [(60, 16.0), (20, 16.0), (10, 8.0), (5, 4.0)])
async def test_a_check_may_usually_take_sixteen_seconds_or_most_of_its_interval(interval, seconds):
    assert (await monitors.create(make.monitor(interval=interval))).monitor.timeout == seconds


async def test_a_default_timeout_follows_the_interval_and_an_explicit_one_stays():
    usual, chosen = await monitors.create(make.monitor()), await monitors.create(make.monitor(timeout=7))
    shorter = MonitorPatch(interval=10)
    assert (await monitors.update(usual.monitor.id, shorter)).monitor.timeout == 8
    assert (await monitors.update(chosen.monitor.id, shorter)).monitor.timeout == 7


async def test_a_timeout_longer_than_the_interval_is_refused_and_nothing_stored():
    with pytest.raises(Invalid, match="validation"):
        await monitors.create(make.monitor(interval=10, timeout=11))
    assert await names() == []
    assert await kinds() == []


async def test_pausing_and_resuming_end_and_begin_a_schedule_period():
    added = await monitors.create(make.monitor())
    paused = await monitors.set_active(added.monitor.id, False)
    assert (paused.schedules, paused.unscheduled) == ([], [added.schedules[0].series])
    resumed = await monitors.set_active(added.monitor.id, True)
    assert resumed.schedules[0].version == 3
    assert await period_intervals() == [60_000, 0, 60_000]
    assert [one.event for one in paused.events + resumed.events] == [
        EventKind.MONITOR_PAUSED,
        EventKind.MONITOR_RESUMED,
    ]


async def test_pausing_what_is_paused_changes_nothing():
    added = await monitors.create(make.monitor(active=False))
    again = await monitors.set_active(added.monitor.id, False)
    assert (again.monitor, again.events) == (added.monitor, [])


async def test_a_changed_interval_begins_a_schedule_period_and_another_change_does_not():
    added = await monitors.create(make.monitor())
    await monitors.update(added.monitor.id, MonitorPatch(name="renamed"))
    changed = await monitors.update(added.monitor.id, MonitorPatch(interval=120))
    assert await period_intervals() == [60_000, 120_000]
    assert changed.monitor.version == 3


async def test_a_change_from_an_older_version_is_refused():
    added = await monitors.create(make.monitor())
    await monitors.update(added.monitor.id, MonitorPatch(name="first"), version=1)
    with pytest.raises(Stale):
        await monitors.update(added.monitor.id, MonitorPatch(name="second"), version=1)
    assert await names() == ["first"]


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        (MonitorPatch(type="tcp"), "type"),
        (MonitorPatch(config={"url": "http://127.0.0.1/", "port": 1}), "config.port"),
        (MonitorPatch(interval=5, timeout=6), "timeout"),
        (MonitorPatch(notification_channel_ids=[UNKNOWN_ID]), "notification_channel_ids.0"),
    ],
)
async def test_a_change_that_does_not_fit_leaves_everything_as_it_was(patch, field):
    added = await monitors.create(make.monitor())
    with pytest.raises(Invalid) as raised:
        await monitors.update(added.monitor.id, patch)
    assert [one.field for one in raised.value.fields] == [field]
    assert await monitors.get(added.monitor.id) == added.monitor
    assert await kinds() == [EventKind.MONITOR_CREATED]


async def test_a_removed_monitor_leaves_its_series_for_housekeeping():
    added = await monitors.create(make.monitor())
    removed = await monitors.delete(added.monitor.id)
    assert removed.unscheduled == [added.schedules[0].series]
    assert (await monitors.list_schedules(), await monitors.list_snapshots(removed.unscheduled)) == ([], [])
    assert (await db.rows("SELECT deleted_ms FROM series"))[0]["deleted_ms"] is not None
    assert (await period_intervals())[-1] == 0
    with pytest.raises(NoSuch):
        await monitors.get(added.monitor.id)


@pytest.mark.parametrize("act", [monitors.get, monitors.delete, lambda id_: monitors.set_active(id_, True)])
async def test_a_monitor_that_does_not_exist_is_refused_by_name(act):
    with pytest.raises(NoSuch, match="monitor"):
        await act(UNKNOWN_ID)


async def test_a_new_monitor_notifies_the_default_channels_unless_others_are_named():
    default = await channels.create(make.channel(is_default=True))
    other = await channels.create(make.channel(name="other"))
    usual = await monitors.create(make.monitor(notification_channel_ids=None))
    named = await monitors.create(make.monitor(notification_channel_ids=[other.id]))
    assert usual.monitor.notification_channel_ids == [default.id]
    assert named.monitor.notification_channel_ids == [other.id]
    await channels.delete(other.id)
    assert (await monitors.get(named.monitor.id)).notification_channel_ids == []


async def test_a_push_monitor_gets_a_token_keeps_it_and_is_found_by_it():
    added = await monitors.create(make.monitor(Push()))
    assert isinstance(added.monitor.config, Push)
    for config, grace in (({}, None), ({"token": MASK}, None), ({"token": MASK, "grace": 5}, 5)):
        changed = await monitors.update(added.monitor.id, MonitorPatch(config=config))
        assert changed.monitor.config == Push(token=MASK, grace=grace)
        found = await monitors.find_by_push_token(added.monitor.config.token)
        assert found is not None
        assert found.monitor_id == added.monitor.id
    assert await monitors.find_by_push_token("nobody's") is None


async def test_two_monitors_can_not_have_one_push_token():
    await monitors.create(make.monitor(Push(token=TOKEN)))
    other = await monitors.create(make.monitor(Push()))
    with pytest.raises(Conflict):
        await monitors.create(make.monitor(Push(token=TOKEN)))
    with pytest.raises(Conflict):
        await monitors.update(other.monitor.id, MonitorPatch(config={"token": TOKEN}))


async def test_a_paused_monitor_is_not_pushed_to():
    await monitors.create(make.monitor(Push(token=TOKEN), active=False))
    with pytest.raises(Conflict, match="paused"):
        await monitors.find_by_push_token(TOKEN)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ["Alpha", "beta", "gamma_1"]),
        ({"descending": True}, ["gamma_1", "beta", "Alpha"]),
        ({"q": "ALP"}, ["Alpha"]),
        ({"q": "a_1"}, ["gamma_1"]),
        ({"q": "%"}, []),
        ({"type": "push"}, ["beta"]),
        ({"active": False}, ["gamma_1"]),
        ({"status": Status.UP}, []),
        ({"status": Status.UNKNOWN, "active": True}, ["Alpha", "beta"]),
        ({"sort": "created_at"}, ["gamma_1", "Alpha", "beta"]),
        ({"limit": 1, "offset": 1}, ["beta"]),
    ],
)
async def test_monitors_are_found_by_filters(wanted, found):
    await monitors.create(make.monitor(name="gamma_1", active=False))
    await monitors.create(make.monitor(name="Alpha"))
    await monitors.create(make.monitor(Push(), name="beta"))
    await db.rows("UPDATE monitors SET created_ms = CASE name WHEN 'gamma_1' THEN 1 WHEN 'Alpha' THEN 2 ELSE 3 END")
    assert await names(**wanted) == found


async def test_a_total_counts_all_matches_and_not_the_page():
    for number in range(3):
        await monitors.create(make.monitor(name=f"m{number}"))
    assert (await monitors.list_page(MonitorQuery(limit=1, offset=5))) == ([], 3)


async def schedule() -> tuple[int, str, str]:
    (period,) = await db.rows("SELECT interval_ms, cron, timezone FROM schedule_periods ORDER BY from_ms DESC LIMIT 1")
    return period["interval_ms"], period["cron"], period["timezone"]


async def test_a_cron_monitor_has_a_plan_and_a_schedule_period_of_its_own():
    changed = await monitors.create(make.monitor(cron="0 3 * * *", timezone="Europe/Berlin"))
    (plan,) = changed.schedules
    assert (plan.interval_ms, plan.cron, plan.timezone) == (0, "0 3 * * *", "Europe/Berlin")
    assert (changed.monitor.interval, changed.monitor.cron) == (None, "0 3 * * *")
    assert await schedule() == (0, "0 3 * * *", "Europe/Berlin")
    assert await monitors.list_schedules() == changed.schedules
    assert [one.schedule for one in await schedule_coverage.list_active(clock.now_ms())] == changed.schedules


@pytest.mark.parametrize(
    ("patch", "interval", "cron"),
    [
        (MonitorPatch(interval=30), 30, None),
        (MonitorPatch(cron="0 4 * * *"), None, "0 4 * * *"),
        (MonitorPatch(interval=None, cron=None), None, None),
        (MonitorPatch(name="renamed"), None, "0 3 * * *"),
    ],
)
async def test_an_interval_takes_the_place_of_cron_and_the_other_way_round(patch, interval, cron):
    added = await monitors.create(make.monitor(cron="0 3 * * *"))
    changed = (await monitors.update(added.monitor.id, patch)).monitor
    assert (changed.interval, changed.cron) == (interval, cron)
    assert await schedule() == ((interval or 0) * 1000, cron or "", "UTC")


async def test_a_change_to_cron_and_back_restores_the_usual_timeout():
    added = await monitors.create(make.monitor(interval=10))
    cron = await monitors.update(added.monitor.id, MonitorPatch(cron="0 3 * * *"))
    back = await monitors.update(added.monitor.id, MonitorPatch(interval=10))
    assert (cron.monitor.timeout, back.monitor.timeout) == (16, 8)


async def test_another_time_zone_begins_a_schedule_period():
    added = await monitors.create(make.monitor(cron="0 3 * * *"))
    await monitors.update(added.monitor.id, MonitorPatch(timezone="Asia/Tokyo"))
    assert await schedule() == (0, "0 3 * * *", "Asia/Tokyo")


async def test_a_monitor_on_demand_is_active_and_not_due():
    changed = await monitors.create(make.monitor(interval=None))
    assert (changed.monitor.active, changed.monitor.interval, changed.schedules) == (True, None, [])
    assert (await monitors.list_schedules(), await schedule_coverage.list_active(clock.now_ms())) == ([], [])
    assert await schedule() == (0, "", "UTC")


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"cron": "0 3 * * *", "interval": 60}, ["cron"]),
        ({"cron": "every day"}, ["cron"]),
        ({"cron": "0 3 * * *", "timezone": "Mars/Olympus"}, ["timezone"]),
        ({"timezone": "Mars/Olympus"}, ["timezone"]),
    ],
)
async def test_a_schedule_that_can_not_be_is_refused_by_its_field(fields, wrong):
    with pytest.raises(Invalid) as raised:
        await monitors.create(make.monitor(**fields))
    assert [one.field for one in raised.value.fields] == wrong


async def test_cron_is_not_taken_away_without_saying_what_comes_instead():
    added = await monitors.create(make.monitor(cron="0 3 * * *"))
    with pytest.raises(Invalid) as raised:
        await monitors.update(added.monitor.id, MonitorPatch(cron=None))
    assert [one.field for one in raised.value.fields] == ["interval"]
