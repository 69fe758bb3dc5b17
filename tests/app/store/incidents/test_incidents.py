"""Incidents: opened and resolved by monitors, created by users, acknowledged once, counted in SQL."""

import asyncio
from datetime import UTC, datetime

import pytest

from app import db
from app.errors import Conflict, Invalid, NoSuch, Stale
from app.security.secrets import sealing
from app.store.alerting import channels
from app.store.incidents import incidents
from app.store.incidents.incidents import IncidentQuery
from app.store.monitoring import series
from app.store.transactions import monitors, results
from app.store.transactions.results import StoredResults
from schema.events import EventKind
from schema.incidents import EntryKind, Incident, IncidentDraft, IncidentKind, IncidentPatch, IncidentStatus
from schema.jobs import CheckOutcome
from schema.monitors import MonitorPatch, Snapshot
from tests import make

NOW, STEP = make.NOW_MS, make.MINUTE_MS


@pytest.fixture(autouse=True)
def sealed(store):
    sealing.prepare(store)


async def watched(**changes) -> Snapshot:
    changed = await monitors.create(make.monitor(**changes))
    (snapshot,) = await series.list_snapshots([changed.schedules[0].series])
    return snapshot


async def store_outcomes(snapshot: Snapshot, *outcomes: CheckOutcome, now_ms: int = NOW) -> StoredResults:
    return await results.store_results(make.results(*outcomes), {snapshot.series: snapshot}, now_ms)


async def down(snapshot: Snapshot, minute: int = 0) -> StoredResults:
    return await store_outcomes(snapshot, make.down(series=snapshot.series, at_ms=NOW + minute * STEP))


async def up(snapshot: Snapshot, minute: int) -> StoredResults:
    return await store_outcomes(snapshot, make.outcome(series=snapshot.series, at_ms=NOW + minute * STEP))


async def all_of(**query) -> list[Incident]:
    return (await incidents.list_page(IncidentQuery(**query)))[0]


async def the_one() -> Incident:
    (one,) = await all_of()
    return one


def at(minute: int) -> datetime:
    return datetime.fromtimestamp((NOW + minute * STEP) / 1000, UTC)


async def test_an_outage_opens_an_incident_and_its_end_resolves_it():
    web = await watched(max_retries=1)
    await down(web, 0)
    assert await all_of() == []
    await down(web, 1)
    one = await the_one()
    assert (one.kind, one.status, one.title) == (IncidentKind.AUTOMATIC, IncidentStatus.OPEN, "web is down")
    assert (one.started_at, one.detected_at, one.duration) == (at(0), at(1), None)
    assert one.monitor is not None
    assert (one.monitor.id, one.monitor.name) == (web.monitor_id, "web")
    await up(web, 5)
    over = await the_one()
    assert (over.status, over.resolved_at, over.duration, over.version) == (IncidentStatus.RESOLVED, at(5), 300, 2)
    story = await incidents.get(one.id)
    assert [entry.kind for entry in story.timeline] == [EntryKind.DETECTED, EntryKind.RESOLVED]


async def test_redelivery_opens_nothing_twice_and_neither_do_several_workers():
    web = await watched()
    batch = [make.down(series=web.series, at_ms=NOW)]
    await asyncio.gather(*(store_outcomes(web, *batch) for _ in range(4)))
    for _ in range(2):
        await store_outcomes(web, *batch)
    assert len(await all_of()) == 1
    assert len((await incidents.get((await the_one()).id)).timeline) == 1


async def test_a_batch_of_many_outages_takes_as_many_statements_as_one(statements):
    async def cost(count: int) -> int:
        known = {one.series: one for one in [await watched() for _ in range(count)]}
        statements.clear()
        await results.store_results(make.results(*[make.down(series=no) for no in known]), known, NOW)
        return len(statements)

    assert await cost(1) == await cost(20)


async def test_events_carry_their_incident():
    web = await watched()
    opened = await down(web)
    recovered = await up(web, 2)
    id_ = (await the_one()).id
    assert {event.data["incident"]["id"] for event in [*opened.events, *recovered.events]} == {id_}
    stored = await db.rows("SELECT kind FROM events WHERE incident_id = ?1 ORDER BY at_ms, kind DESC", id_)
    assert [row["kind"] for row in stored] == [
        EventKind.MONITOR_DOWN, EventKind.INCIDENT_OPENED, EventKind.MONITOR_UP, EventKind.INCIDENT_RESOLVED,
    ]  # fmt: skip


async def test_reminders_end_with_the_acknowledgement():
    web = await watched(resend_interval=1)
    await down(web, 0)
    (reminder,) = (await down(web, 1)).events
    assert reminder.data["reminder"] is True
    change = await incidents.acknowledge((await the_one()).id, "ada")
    assert [event.event for event in change.events] == [EventKind.INCIDENT_ACKNOWLEDGED]
    assert (await down(web, 2)).events == []
    recovered, _ = (await up(web, 3)).events
    assert recovered.event == EventKind.MONITOR_UP


async def test_the_first_acknowledgement_stays_and_a_resolved_incident_takes_none():
    web = await watched()
    await down(web)
    id_ = (await the_one()).id
    done = await asyncio.gather(*(incidents.acknowledge(id_, name) for name in ("ada", "bob", "eve")))
    assert sum(len(one.events) for one in done) == 1
    assert len({one.incident.acknowledged_by for one in done}) == 1
    await up(web, 1)
    with pytest.raises(Conflict, match="resolved"):
        await incidents.acknowledge(id_, "ada")


@pytest.mark.parametrize("how", ["paused", "deleted"])
async def test_a_monitor_that_is_watched_no_more_resolves_its_incident_with_the_reason(how):
    web = await watched()
    await down(web)
    changed = await (monitors.set_active(web.monitor_id, False) if how == "paused" else monitors.delete(web.monitor_id))
    assert [event.event for event in changed.events] == [EventKind.INCIDENT_RESOLVED, f"monitor.{how}"]
    story = await incidents.get((await the_one()).id)
    assert (story.status, story.timeline[-1].text) == (IncidentStatus.RESOLVED, f"The monitor was {how}.")
    assert story.monitor is not None
    assert (story.monitor.name, story.monitor.type) == ("web", "http")
    assert story.monitor.is_deleted is (how == "deleted")


async def test_a_change_that_is_no_pause_leaves_the_incident_open():
    web = await watched()
    await down(web)
    await monitors.update(web.monitor_id, MonitorPatch(name="site"))
    assert (await the_one()).status is IncidentStatus.OPEN


async def test_after_a_pause_the_recovery_still_names_the_incident():
    web = await watched()
    await down(web)
    await monitors.set_active(web.monitor_id, False)
    await monitors.set_active(web.monitor_id, True)
    (recovered,) = (await up(web, 9)).events
    assert recovered.data["incident"] == {"id": (await the_one()).id}


async def test_a_monitor_still_down_after_a_pause_gets_an_incident_at_its_next_check():
    web = await watched()
    await down(web)
    await monitors.set_active(web.monitor_id, False)
    assert await incidents.open_missing(NOW) == []
    resumed = (await monitors.set_active(web.monitor_id, True)).monitor
    assert await incidents.open_missing(NOW) == []
    later_ms = int(resumed.updated_at.timestamp() * 1000) + STEP
    await store_outcomes(web, make.down(series=web.series, at_ms=later_ms), now_ms=later_ms)
    events = await incidents.open_missing(later_ms)
    assert await incidents.open_missing(later_ms) == []
    assert [one.event for one in events] == [EventKind.MONITOR_DOWN, EventKind.INCIDENT_OPENED]
    assert {one.monitor_id for one in events} == {web.monitor_id}
    (fresh,) = await all_of(status=IncidentStatus.OPEN)
    assert fresh.started_at == resumed.updated_at
    good = make.outcome(series=web.series, at_ms=later_ms + STEP)
    recovered, _ = (await store_outcomes(web, good, now_ms=later_ms + STEP)).events
    assert recovered.data["incident"] == {"id": fresh.id}
    assert await incidents.count_open() == 0


async def test_an_outage_from_before_there_were_incidents_gets_one_from_its_beginning():
    web = await watched()
    await db.rows("UPDATE monitors SET updated_ms = ?1", NOW - STEP)
    await down(web)
    await db.rows("DELETE FROM incidents")
    batches = await asyncio.gather(*(incidents.open_missing(NOW + STEP) for _ in range(3)))
    assert (await the_one()).started_at == at(0)
    assert [one.event for events in batches for one in events] == [
        EventKind.INCIDENT_OPENED
    ]  # an upgrade alerts no channel


async def test_the_timeline_lists_who_was_notified_and_who_was_not_and_why():
    notified, quiet = await channels.create(make.channel(name="ops")), await channels.create(make.channel(name="night"))
    web = await watched(notification_channel_ids=[notified.id, quiet.id])
    await down(web)
    at_ms = NOW + 5_000
    await db.rows("UPDATE deliveries SET state = 'sent', sent_ms = ?2 WHERE channel_id = ?1", notified.id, at_ms)
    await db.rows(
        "UPDATE deliveries SET state = 'suppressed', error = 'its parent is down' WHERE channel_id = ?1", quiet.id
    )
    entries = (await incidents.get((await the_one()).id)).timeline
    lines = {entry.kind: (entry.channel, entry.event, entry.text) for entry in entries if entry.channel}
    assert lines[EntryKind.NOTIFIED] == ("ops", "monitor.down", "")
    assert lines[EntryKind.SUPPRESSED] == ("night", "monitor.down", "its parent is down")
    assert entries[-1].at == datetime.fromtimestamp(at_ms / 1000, UTC)


async def written(**changes) -> Incident:
    return (await incidents.create(IncidentDraft(**{"title": "Provider is out", **changes}), "ada")).incident


async def test_people_write_down_change_annotate_and_resolve_their_own():
    one = await written(text="We are on it.", is_public=True)
    assert (one.kind, one.monitor, one.is_public) == (IncidentKind.MANUAL, None, True)
    changed = await incidents.update(one.id, IncidentPatch(post_mortem="A cable.", started_at=at(-9)), version=1)
    assert (changed.post_mortem, changed.started_at, changed.version) == ("A cable.", at(-9), 2)
    with pytest.raises(Stale):
        await incidents.update(one.id, IncidentPatch(title="x"), version=1)
    await incidents.add_note(one.id, "Half of it is back.", "bob")
    done = await incidents.resolve(one.id, "bob")
    assert (await incidents.resolve(one.id, "eve")).events == []
    assert [(entry.kind, entry.author) for entry in done.incident.timeline] == [
        (EntryKind.DETECTED, "ada"), (EntryKind.NOTE, "ada"), (EntryKind.NOTE, "bob"), (EntryKind.RESOLVED, "bob"),
    ]  # fmt: skip
    await incidents.delete(one.id)
    with pytest.raises(NoSuch, match="incident"):
        await incidents.get(one.id)
    assert await db.rows("SELECT id FROM incident_entries") == []


async def test_an_outage_that_lasts_is_neither_resolved_nor_deleted_by_people():
    web = await watched()
    await down(web)
    id_ = (await the_one()).id
    for refusal in (incidents.resolve(id_, "ada"), incidents.delete(id_)):
        with pytest.raises(Conflict):
            await refusal
    await up(web, 1)
    await incidents.delete(id_)


async def test_unknown_monitors_and_future_start_times_are_rejected():
    for changes, field in (({"monitor_id": "gone"}, "monitor_id"), ({"started_at": at(10**7)}, "started_at")):
        with pytest.raises(Invalid) as raised:
            await written(**changes)
        assert [one.field for one in raised.value.fields] == [field]
    assert await all_of() == []


async def test_lists_are_filtered_sorted_and_counted():
    web, mail = await watched(), await watched(name="mail")
    await down(web, 0)
    await down(mail, 1)
    await up(web, 2)
    await incidents.acknowledge((await all_of(monitor_id=mail.monitor_id))[0].id, "ada")
    open_one = await written()
    assert [one.title for one in await all_of(kind=IncidentKind.AUTOMATIC)] == ["mail is down", "web is down"]
    by_status = {status: [one.title for one in await all_of(status=status)] for status in IncidentStatus}
    assert list(by_status.values()) == [["Provider is out"], ["mail is down"], ["web is down"]]
    assert [one.title for one in await all_of(from_ms=NOW + STEP, to_ms=NOW + 2 * STEP)] == ["mail is down"]
    assert [one.title for one in await all_of(sort="title", descending=False, limit=1, offset=1)] == [open_one.title]
    assert (await incidents.list_page(IncidentQuery(limit=1)))[1] == 3
    assert await incidents.count_open() == 2


async def test_figures_are_means_and_medians_of_what_was_answered_and_of_what_ended():
    none = await incidents.get_metrics(IncidentQuery(), NOW)
    assert (none.count, none.mtta, none.mttr_median, none.longest) == (0, None, None, None)
    for minutes in (1, 2, 9):
        web = await watched(name=f"{minutes}")
        await down(web)
        id_ = (await all_of(monitor_id=web.monitor_id))[0].id
        await incidents.acknowledge(id_, "ada", NOW + minutes * 1_000)
        await up(web, minutes)
    await down(await watched())
    found = await incidents.get_metrics(IncidentQuery(), NOW + 20 * STEP)
    assert (found.count, found.open, found.acknowledged, found.resolved) == (4, 1, 3, 3)
    assert (found.mtta, found.mtta_median) == (4, 2)
    assert (found.mttr, found.mttr_median, found.longest) == (240, 120, 1_200)
    two = await incidents.get_metrics(IncidentQuery(monitor_id=web.monitor_id), NOW + 20 * STEP)
    assert (two.count, two.mtta_median, two.longest) == (1, 9, 540)


async def test_a_viewer_sees_incidents_of_visible_monitors_and_of_no_monitor():
    await written()
    await down(await watched())
    assert [one.title for one in await all_of(visible_to=frozenset({"x"}))] == ["Provider is out"]
    hidden = (await all_of(kind=IncidentKind.AUTOMATIC))[0]
    with pytest.raises(NoSuch):
        await incidents.get(hidden.id, frozenset({"x"}))
