"""Takes the steps of escalations whose time has come: each once, however many schedulers look.

Who takes a step moves the incident's counter from the number it read; a second one finds another number, and does
nothing. The event, its deliveries and the timeline's entry are one transaction with that.
"""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Struct

from app import db
from app.domain.incidents.lifecycle import NewTimelineEntry, OutageState, epoch_ms, incident_event, instant
from app.store.alerting.delivery_queue import ids_by_channel
from app.store.incidents import timeline
from schema.escalations import EscalationStep
from schema.events import Event, EventKind
from schema.incidents import EntryKind

BATCH_LIMIT = 100  # steps of one look: the rest waits for the next, two seconds later

_json = msgspec.json.Encoder()


class EscalationRun(Struct, frozen=True, kw_only=True):
    """What one look led to.

    deliveries  channel id -> ids of deliveries to be sent
    """

    events: list[Event] = []
    deliveries: dict[str, list[str]] = {}


class _DueStep(Struct, frozen=True):
    """A step whose time has come. `number` counts on through all rounds; `next_s` None: it is the last."""

    incident: OutageState
    step_number: int
    step: EscalationStep
    n_steps: int
    next_after_s: int | None
    monitor: dict[str, str]
    status: int | None


async def run_due_steps(now_ms: int) -> EscalationRun:
    """Take every step that is due and has not been taken. Acknowledged and resolved incidents have none."""
    if not await db.rows("SELECT 1 AS one FROM incidents WHERE escalate_ms <= ?1 LIMIT 1", now_ms):
        return EscalationRun()
    async with db.transaction():
        found = await _due_incidents(now_ms)
        due = [one for row in found if (one := _due_step_of(row)) is not None]
        await _end_escalations([row["id"] for row in found if _due_step_of(row) is None])
        won = await _claim_steps(due, now_ms)
        owed = [(_event_of(one, now_ms), one.step.channel_ids) for one in due if one.incident.id in won]
        deliveries = await record_for_channels(owed, now_ms)
        reached = set(deliveries)
        await timeline.add_entries(_timeline_entry_of(one, now_ms, reached) for one in due if one.incident.id in won)
    return EscalationRun(events=[event for event, _ in owed], deliveries=deliveries)


async def record_for_channels(owed: Sequence[tuple[Event, Sequence[str]]], now_ms: int) -> dict[str, list[str]]:
    """Store events, and a delivery for each of exactly these channels; inside of the caller's transaction.

    returns  channel id -> ids of deliveries to be sent; channels that are switched off or gone are absent
    """
    if not owed:
        return {}
    await _insert_events([event for event, _ in owed], now_ms)
    rows = [
        (str(uuid4()), event.id, channel_id, event.monitor_id, epoch_ms(event.at))
        for event, channel_ids in owed
        for channel_id in dict.fromkeys(channel_ids)
    ]
    made = await db.rows(
        "INSERT INTO deliveries (id, event_id, channel_id, monitor_id, at_ms, next_at_ms, created_ms)"
        " SELECT each.value->>0, each.value->>1, c.id, each.value->>3, CAST(each.value->>4 AS BIGINT),"
        " CAST(?2 AS BIGINT), CAST(?2 AS BIGINT) FROM {each:1} JOIN channels c ON c.id = each.value->>2"
        " WHERE c.active ON CONFLICT (event_id, channel_id) DO NOTHING"
        " RETURNING id, channel_id",
        _json.encode(rows).decode(),
        now_ms,
    )
    return ids_by_channel(made)


async def _insert_events(events: Sequence[Event], now_ms: int) -> None:
    """Store events of incidents, and no delivery of theirs."""
    rows = [
        (e.id, e.event, e.monitor_id, epoch_ms(e.at), _json.encode(e.data).decode(), e.data["incident"]["id"])
        for e in events
    ]
    await db.rows(
        "INSERT INTO events (id, kind, monitor_id, at_ms, data, created_ms, incident_id) SELECT value->>0, value->>1,"
        " value->>2, CAST(value->>3 AS BIGINT), value->>4, CAST(?2 AS BIGINT), value->>5 FROM {each:1}",
        _json.encode(rows).decode(),
        now_ms,
    )


async def _due_incidents(now_ms: int) -> Any:
    """Incidents whose time has come, with what the message needs; those of another scheduler's look are left to it."""
    locked = "" if db.is_sqlite() else " FOR UPDATE OF i SKIP LOCKED"
    return await db.rows(
        "SELECT i.id, i.monitor_id, i.title, i.started_ms, i.detected_ms, i.step, x.steps, x.repeat, m.name, m.type,"
        " s.status FROM incidents i LEFT JOIN escalations x ON x.id = i.escalation_id"
        " LEFT JOIN monitors m ON m.id = i.monitor_id LEFT JOIN series s ON s.monitor_id = m.id AND s.location = ''"
        " WHERE i.escalate_ms <= ?1 AND i.acknowledged_ms IS NULL AND i.resolved_ms IS NULL"
        f" ORDER BY i.escalate_ms, i.id LIMIT {BATCH_LIMIT}{locked}",
        now_ms,
    )


def _due_step_of(row: Any) -> _DueStep | None:
    """The step that an incident is at; None when there is none any more."""
    steps = msgspec.json.decode(row["steps"] or "[]", type=list[EscalationStep])
    number, last = row["step"], len(steps) * ((row["repeat"] or 0) + 1)
    if number >= last or row["name"] is None:
        return None
    incident = OutageState(
        id=row["id"],
        monitor_id=row["monitor_id"],
        title=row["title"],
        started_ms=row["started_ms"],
        detected_ms=row["detected_ms"],
    )
    next_s = steps[(number + 1) % len(steps)].after if number + 1 < last else None
    watched = {"id": row["monitor_id"], "name": row["name"], "type": row["type"]}
    return _DueStep(incident, number, steps[number % len(steps)], len(steps), next_s, watched, row["status"])


async def _claim_steps(due: Sequence[_DueStep], now_ms: int) -> set[str]:
    """Count these steps as taken; returns the incidents for which that was ours to do."""
    rows = [
        (one.incident.id, one.step_number, None if one.next_after_s is None else now_ms + one.next_after_s * 1000)
        for one in due
    ]
    if not rows:
        return set()
    won = await db.rows(
        "UPDATE incidents SET step = step + 1, escalate_ms = CAST(each.value->>2 AS BIGINT) FROM {each:1}"
        " WHERE incidents.id = each.value->>0 AND incidents.step = CAST(each.value->>1 AS INTEGER)"
        " AND incidents.acknowledged_ms IS NULL AND incidents.resolved_ms IS NULL RETURNING incidents.id",
        _json.encode(rows).decode(),
    )
    return {row["id"] for row in won}


async def _end_escalations(incident_ids: Sequence[str]) -> None:
    """Wait for no further step: the escalation has fewer by now, or is gone, or the monitor is."""
    if incident_ids:
        await db.rows(
            "UPDATE incidents SET escalate_ms = NULL WHERE id IN (SELECT value->>0 FROM {each:1})",
            _json.encode([[one] for one in incident_ids]).decode(),
        )


def _event_of(one: _DueStep, now_ms: int) -> Event:
    return incident_event(
        EventKind.INCIDENT_ESCALATED,
        one.incident,
        now_ms,
        monitor=one.monitor,
        step=one.step_number + 1,
        status=one.status,
        started_at=instant(one.incident.started_ms),
        msg=f"Nobody has acknowledged it: {_step_label(one)}.",
    )


def _timeline_entry_of(one: _DueStep, now_ms: int, reached: set[str]) -> NewTimelineEntry:
    lost = "" if reached & {*one.step.channel_ids} else ": no channel of it can be told"
    return NewTimelineEntry(one.incident.id, now_ms, EntryKind.ESCALATED, f"{_step_label(one).capitalize()}{lost}.")


def _step_label(one: _DueStep) -> str:
    rounds, place = divmod(one.step_number, one.n_steps)
    return f"step {place + 1} of {one.n_steps}" + (f", round {rounds + 1}" if rounds else "")
