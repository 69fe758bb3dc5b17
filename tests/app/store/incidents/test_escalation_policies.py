"""Escalations: stored with existing channels, run step by step until acknowledged, each step once."""

import asyncio
from typing import Any

import pytest
from msgspec import structs

from app import db
from app.errors import Invalid, NoSuch, Stale
from app.security.secrets import sealing
from app.store.alerting import channels
from app.store.incidents import escalation_policies, incidents
from app.store.incidents.escalation_policies import EscalationQuery
from app.store.incidents.incidents import IncidentQuery
from app.store.monitoring import series
from app.store.transactions import escalations, monitors, results
from schema.escalations import Escalation, EscalationDraft, EscalationPatch, EscalationStep
from schema.events import EventKind
from schema.incidents import EntryKind, Incident
from schema.monitors import MonitorPatch, Snapshot
from tests import make

NOW, STEP = make.NOW_MS, make.MINUTE_MS
GONE = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(autouse=True)
def sealed(store):
    sealing.prepare(store)


@pytest.fixture
async def channel_ids() -> list[str]:
    """Ids of three channels: first, second, boss."""
    return [(await channels.create(make.channel(name=name))).id for name in ("first", "second", "boss")]


async def policy_with_steps(*channel_lists: list[str], after: int = 300, repeat: int = 0) -> Escalation:
    steps = [EscalationStep(after=after, channel_ids=one) for one in channel_lists]
    return await escalation_policies.create(EscalationDraft(name="on call", steps=steps, repeat=repeat))


async def outage(escalation: Escalation, **changes: Any) -> Snapshot:
    """A monitor that uses it, and is down since NOW."""
    changed = await monitors.create(make.monitor(escalation_id=escalation.id, **changes))
    (snapshot,) = await series.list_snapshots([changed.schedules[0].series])
    await results.store_results(make.results(make.down(series=snapshot.series)), {snapshot.series: snapshot}, NOW)
    return snapshot


async def recover(snapshot: Snapshot, minute: int) -> None:
    good = make.outcome(series=snapshot.series, at_ms=NOW + minute * STEP)
    await results.store_results(make.results(good), {snapshot.series: snapshot}, NOW + minute * STEP)


async def the_incident() -> Incident:
    ((one,), _) = await incidents.list_page(IncidentQuery())
    return one


async def notified_at(now_ms: int) -> list[str]:
    """The names of channels that are notified at that time, one for each delivery."""
    ids = (await escalations.run_due_steps(now_ms)).deliveries
    rows = {row["id"]: row["name"] for row in await db.rows("SELECT id, name FROM channels")}
    return sorted(rows[id_] for id_, deliveries in ids.items() for _ in deliveries)


async def test_each_step_notifies_exactly_its_channels_when_it_is_due(channel_ids):
    await outage(
        await policy_with_steps([channel_ids[1]], [channel_ids[0], channel_ids[2]]),
        notification_channel_ids=[channel_ids[0]],
    )
    assert await notified_at(NOW + 299_000) == []
    assert await notified_at(NOW + 300_000) == ["second"]
    assert await notified_at(NOW + 300_000) == await notified_at(NOW + 599_000) == []
    assert await notified_at(NOW + 600_000) == ["boss", "first"]
    assert (await the_incident()).next_escalation_at is None
    assert await notified_at(NOW + 10**9) == []


async def test_the_event_and_the_timeline_name_the_step(channel_ids):
    await outage(await policy_with_steps([channel_ids[1]], [channel_ids[2]]))
    (event,) = (await escalations.run_due_steps(NOW + 300_000)).events
    one = await the_incident()
    assert (event.event, event.monitor_id) == (EventKind.INCIDENT_ESCALATED, one.monitor and one.monitor.id)
    assert event.data["incident"] == {"id": one.id, "title": "web is down"}
    assert (event.data["step"], event.data["status"], event.data["started_at"]) == (1, 0, one.started_at)
    entry = (await incidents.get(one.id)).timeline[-1]
    assert (entry.kind, entry.text) == (EntryKind.ESCALATED, "Step 1 of 2.")
    (row,) = await db.rows("SELECT incident_id FROM events WHERE id = ?1", event.id)
    assert row["incident_id"] == one.id


async def test_steps_are_repeated_as_configured(channel_ids):
    await outage(await policy_with_steps([channel_ids[1]], [channel_ids[2]], repeat=1))
    rounds = [await notified_at(NOW + round_ * 300_000) for round_ in range(1, 6)]
    assert rounds == [["second"], ["boss"], ["second"], ["boss"], []]
    entries = (await incidents.get((await the_incident()).id)).timeline
    assert [one.text for one in entries if one.kind is EntryKind.ESCALATED][2] == "Step 1 of 2, round 2."


async def test_an_acknowledgement_ends_it(channel_ids):
    await outage(await policy_with_steps([channel_ids[1]], [channel_ids[2]]))
    assert await notified_at(NOW + 300_000) == ["second"]
    await incidents.acknowledge((await the_incident()).id, "ada")
    assert await notified_at(NOW + 10**9) == []


async def test_a_recovery_ends_it(channel_ids):
    web = await outage(await policy_with_steps([channel_ids[1]]))
    await recover(web, 2)
    assert await notified_at(NOW + 10**9) == []


async def test_a_pause_ends_it(channel_ids):
    web = await outage(await policy_with_steps([channel_ids[1]]))
    await monitors.set_active(web.monitor_id, False)
    assert await notified_at(NOW + 10**9) == []


async def test_an_outage_that_was_over_in_the_same_batch_waits_for_no_step(channel_ids):
    changed = await monitors.create(make.monitor(escalation_id=(await policy_with_steps([channel_ids[1]])).id))
    no = changed.schedules[0].series
    batch = make.results(make.down(series=no), make.outcome(series=no, at_ms=NOW + STEP))
    await results.store_results(batch, {one.series: one for one in await series.list_snapshots([no])}, NOW + STEP)
    assert (await the_incident()).next_escalation_at is None


async def test_many_schedulers_at_once_take_a_step_once(channel_ids):
    for name in ("one", "two", "three"):
        await outage(await policy_with_steps(channel_ids, repeat=5), name=name)
    for round_ in range(1, 4):
        done = await asyncio.gather(*(escalations.run_due_steps(NOW + round_ * 300_000) for _ in range(6)))
        late = await escalations.run_due_steps(NOW + round_ * 300_000)  # what a busy one left to the next look
        events = [event for one in [*done, late] for event in one.events]
        assert len(events) == 3
        assert {event.data["step"] for event in events} == {round_}
    (row,) = await db.rows("SELECT count(*) AS n FROM deliveries")
    assert row["n"] == 3 * 3 * 3


async def test_a_step_that_breaks_off_is_taken_whole_later(channel_ids):
    await outage(await policy_with_steps([channel_ids[1]]))
    await db.rows("ALTER TABLE incident_entries RENAME TO elsewhere")
    with pytest.raises(db.UNMIGRATED):
        await escalations.run_due_steps(NOW + 300_000)
    await db.rows("ALTER TABLE elsewhere RENAME TO incident_entries")
    assert await db.rows("SELECT id FROM deliveries") == []
    assert await notified_at(NOW + 301_000) == ["second"]


async def test_after_a_time_without_scheduler_one_step_is_taken_and_not_all_at_once(channel_ids):
    await outage(await policy_with_steps([channel_ids[1]], [channel_ids[2]]))
    assert await notified_at(NOW + 10**8) == ["second"]
    assert await notified_at(NOW + 10**8 + 299_000) == []
    assert await notified_at(NOW + 10**8 + 300_000) == ["boss"]


async def test_channels_that_are_off_or_gone_are_left_out(channel_ids):
    await outage(await policy_with_steps(channel_ids))
    await db.rows("UPDATE channels SET active = FALSE WHERE id = ?1", channel_ids[0])
    await channels.delete(channel_ids[1])
    await channels.delete(channel_ids[2])
    assert await notified_at(NOW + 300_000) == []
    (entry,) = [one for one in (await incidents.get((await the_incident()).id)).timeline if one.kind == "escalated"]
    assert entry.text == "Step 1 of 1: none of its channels can be alerted."


async def test_an_escalation_is_kept_changed_listed_and_removed(channel_ids):
    one = await policy_with_steps([channel_ids[0]], [channel_ids[1], channel_ids[2]], repeat=2)
    assert [step.channel_ids for step in one.steps] == [[channel_ids[0]], [channel_ids[1], channel_ids[2]]]
    changed = await escalation_policies.update(one.id, EscalationPatch(name="Nights"), version=1)
    assert (changed.name, changed.steps, changed.repeat, changed.version) == ("Nights", one.steps, 2, 2)
    with pytest.raises(Stale):
        await escalation_policies.delete(one.id, version=1)
    await policy_with_steps([channel_ids[0]])
    found, total = await escalation_policies.list_page(EscalationQuery(q="NIGHT"))
    assert ([each.name for each in found], total) == (["Nights"], 1)
    await escalation_policies.delete(one.id, version=2)
    with pytest.raises(NoSuch, match="escalation"):
        await escalation_policies.get(one.id)


async def test_a_channel_that_does_not_exist_is_refused_by_its_place(channel_ids):
    with pytest.raises(Invalid) as raised:
        await policy_with_steps([channel_ids[0]], [channel_ids[1], GONE])
    assert [one.field for one in raised.value.fields] == ["steps.1.channel_ids.1"]


async def test_a_channel_that_is_deleted_leaves_the_steps(channel_ids):
    one = await policy_with_steps([channel_ids[0], channel_ids[1]])
    await channels.delete(channel_ids[0])
    assert (await escalation_policies.get(one.id)).steps == [
        structs.replace(one.steps[0], channel_ids=[channel_ids[1]])
    ]


async def test_a_monitor_uses_one_that_exists_and_falls_back_to_none(channel_ids):
    with pytest.raises(Invalid) as raised:
        await monitors.create(make.monitor(escalation_id=GONE))
    assert [one.field for one in raised.value.fields] == ["escalation_id"]
    one = await policy_with_steps([channel_ids[0]])
    web = await outage(one)
    assert (await escalation_policies.get(one.id)).monitors == 1
    with pytest.raises(Invalid):
        await monitors.update(web.monitor_id, MonitorPatch(escalation_id=GONE))
    renamed = (await monitors.update(web.monitor_id, MonitorPatch(name="site"))).monitor
    assert renamed.escalation_id == one.id
    await escalation_policies.delete(one.id)
    assert (await monitors.get(web.monitor_id)).escalation_id is None
    assert await notified_at(NOW + 10**9) == []
