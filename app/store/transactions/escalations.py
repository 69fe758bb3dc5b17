"""Runs due escalation steps, each once however many schedulers run.

A scheduler claims a step by increasing the incident's counter from the number it read; a second scheduler finds another
number and does nothing. The claim, the event, its deliveries and the timeline entry are one transaction.
Written as SQL: joins over four tables, `SKIP LOCKED`, batches over JSON arrays.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Struct
from piccolo.query.base import FrozenQuery
from piccolo.query.functions import Min

from app import clock, db
from app.domain.incidents.lifecycle import NewTimelineEntry, OutageState, incident_event
from app.store.alerting.outbox import ids_by_channel
from app.store.incidents import timeline
from app.store.tables.incidents import IncidentRow
from schema.escalations import EscalationStep
from schema.events import Event, EventKind
from schema.incidents import EntryKind

BATCH_LIMIT = 100  # steps of one run; others wait for the next run, two seconds later

_json = msgspec.json.Encoder()


class EscalationRun(Struct, frozen=True, kw_only=True):
    """The result of one run.

    deliveries  channel id -> ids of deliveries to send
    """

    events: list[Event] = []
    deliveries: dict[str, list[str]] = {}


class _DueStep(Struct, frozen=True):
    """A step that is due.

    step_number   from 0, counted through all rounds
    n_steps       steps of one round
    next_after_s  delay of the next step; None for the last one
    """

    incident: OutageState
    step_number: int
    step: EscalationStep
    n_steps: int
    next_after_s: int | None
    monitor: dict[str, str]
    status: int | None


async def run_due_steps(now_ms: int) -> EscalationRun:
    """Run every due step. Acknowledged and resolved incidents have none."""
    next_ms = (await _next_escalation().run())[0]["next_ms"]
    if next_ms is None or next_ms > now_ms:
        return EscalationRun()
    async with db.transaction():
        found = await _due_incidents(now_ms)
        due = [step for row in found if (step := _due_step_of(row)) is not None]
        await _end_escalations([row["id"] for row in found if _due_step_of(row) is None])
        claimed_ids = await _claim_steps(due, now_ms)
        claimed = [step for step in due if step.incident.id in claimed_ids]
        recipients = [(_event_of(step, now_ms), step.step.channel_ids) for step in claimed]
        deliveries = await record_for_channels(recipients, now_ms)
        reached = set(deliveries)
        await timeline.add_entries(_timeline_entry_of(step, now_ms, reached) for step in claimed)
    return EscalationRun(events=[event for event, _ in recipients], deliveries=deliveries)


@cache
def _next_escalation() -> FrozenQuery:
    next_ms = IncidentRow.select(Min(IncidentRow.next_escalation_ms, "next_ms"))
    return next_ms.where(IncidentRow.next_escalation_ms.is_not_null()).freeze()


async def record_for_channels(recipients: Sequence[tuple[Event, Sequence[str]]], now_ms: int) -> dict[str, list[str]]:
    """Store events with a delivery for each of exactly these channels, inside the caller's transaction.

    returns  channel id -> ids of deliveries to send; inactive and deleted channels are absent
    """
    if not recipients:
        return {}
    await _insert_events([event for event, _ in recipients], now_ms)
    rows = [
        (str(uuid4()), event.id, channel_id, event.monitor_id, clock.epoch_ms(event.at))
        for event, channel_ids in recipients
        for channel_id in dict.fromkeys(channel_ids)
    ]
    inserted = await db.rows(
        "INSERT INTO deliveries (id, event_id, channel_id, monitor_id, at_ms, next_attempt_ms, created_ms)"
        " SELECT each.value->>0, each.value->>1, c.id, each.value->>3, CAST(each.value->>4 AS BIGINT),"
        " CAST(?2 AS BIGINT), CAST(?2 AS BIGINT) FROM {each:1} JOIN channels c ON c.id = each.value->>2"
        " WHERE c.active ON CONFLICT (event_id, channel_id) DO NOTHING"
        " RETURNING id, channel_id",
        _json.encode(rows).decode(),
        now_ms,
    )
    return ids_by_channel(inserted)


async def _insert_events(events: Sequence[Event], now_ms: int) -> None:
    """Store events of incidents without deliveries."""
    rows = [
        (e.id, e.event, e.monitor_id, clock.epoch_ms(e.at), _json.encode(e.data).decode(), e.data["incident"]["id"])
        for e in events
    ]
    await db.rows(
        "INSERT INTO events (id, kind, monitor_id, at_ms, data, created_ms, incident_id) SELECT value->>0, value->>1,"
        " value->>2, CAST(value->>3 AS BIGINT), value->>4, CAST(?2 AS BIGINT), value->>5 FROM {each:1}",
        _json.encode(rows).decode(),
        now_ms,
    )


async def _due_incidents(now_ms: int) -> Any:
    """Incidents with a due step and what its message needs; skips those that another scheduler has locked."""
    locked = "" if db.is_sqlite() else " FOR UPDATE OF i SKIP LOCKED"
    return await db.rows(
        "SELECT i.id, i.monitor_id, i.title, i.started_ms, i.detected_ms, i.escalation_step, x.steps, x.repeat,"
        " m.name, m.type,"
        " s.status FROM incidents i LEFT JOIN escalations x ON x.id = i.escalation_id"
        " LEFT JOIN monitors m ON m.id = i.monitor_id LEFT JOIN series s ON s.monitor_id = m.id AND s.location = ''"
        " WHERE i.next_escalation_ms <= ?1 AND i.acknowledged_ms IS NULL AND i.resolved_ms IS NULL"
        f" ORDER BY i.next_escalation_ms, i.id LIMIT {BATCH_LIMIT}{locked}",
        now_ms,
    )


def _due_step_of(row: Any) -> _DueStep | None:
    """The incident's due step; None when no step is left or the monitor is gone."""
    steps = msgspec.json.decode(row["steps"] or "[]", type=list[EscalationStep])
    number, last = row["escalation_step"], len(steps) * ((row["repeat"] or 0) + 1)
    if number >= last or row["name"] is None:
        return None
    incident = OutageState(
        id=row["id"],
        monitor_id=row["monitor_id"],
        title=row["title"],
        started_ms=row["started_ms"],
        detected_ms=row["detected_ms"],
    )
    next_after_s = steps[(number + 1) % len(steps)].after if number + 1 < last else None
    monitor = {"id": row["monitor_id"], "name": row["name"], "type": row["type"]}
    return _DueStep(incident, number, steps[number % len(steps)], len(steps), next_after_s, monitor, row["status"])


async def _claim_steps(due: Sequence[_DueStep], now_ms: int) -> set[str]:
    """Claim these steps; returns the ids of the incidents where the claim succeeded."""
    rows = [
        (one.incident.id, one.step_number, None if one.next_after_s is None else now_ms + one.next_after_s * 1000)
        for one in due
    ]
    if not rows:
        return set()
    claimed = await db.rows(
        "UPDATE incidents SET escalation_step = escalation_step + 1, next_escalation_ms = CAST(each.value->>2 AS"
        " BIGINT) FROM {each:1}"
        " WHERE incidents.id = each.value->>0 AND incidents.escalation_step = CAST(each.value->>1 AS INTEGER)"
        " AND incidents.acknowledged_ms IS NULL AND incidents.resolved_ms IS NULL RETURNING incidents.id",
        _json.encode(rows).decode(),
    )
    return {row["id"] for row in claimed}


async def _end_escalations(incident_ids: Sequence[str]) -> None:
    """Stop escalating: the escalation has fewer steps now, or it or the monitor is gone."""
    if incident_ids:
        await db.rows(
            "UPDATE incidents SET next_escalation_ms = NULL WHERE id IN (SELECT value->>0 FROM {each:1})",
            _json.encode([[one] for one in incident_ids]).decode(),
        )


def _event_of(due: _DueStep, now_ms: int) -> Event:
    return incident_event(
        EventKind.INCIDENT_ESCALATED,
        due.incident,
        now_ms,
        monitor=due.monitor,
        step=due.step_number + 1,
        status=due.status,
        started_at=clock.instant(due.incident.started_ms),
        msg=f"Nobody has acknowledged it: {_step_label(due)}.",
    )


def _timeline_entry_of(due: _DueStep, now_ms: int, reached: set[str]) -> NewTimelineEntry:
    """The entry of a step; `reached` has the ids of the channels that receive it."""
    unreached = "" if reached & {*due.step.channel_ids} else ": none of its channels can be alerted"
    text = f"{_step_label(due).capitalize()}{unreached}."
    return NewTimelineEntry(due.incident.id, now_ms, EntryKind.ESCALATED, text)


def _step_label(due: _DueStep) -> str:
    rounds, index = divmod(due.step_number, due.n_steps)
    return f"step {index + 1} of {due.n_steps}" + (f", round {rounds + 1}" if rounds else "")
