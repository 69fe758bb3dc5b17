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
from app.domain.incidents.lifecycle import Line, Outage, instant_of, ms_of, told
from app.store.alerting.delivery_queue import by_channel
from app.store.incidents import timeline
from schema.escalations import EscalationStep
from schema.events import Event, EventKind
from schema.incidents import EntryKind

AT_ONCE = 100  # steps of one look: the rest waits for the next, two seconds later

_json = msgspec.json.Encoder()


class Taken(Struct, frozen=True, kw_only=True):
    """What one look led to.

    deliveries  channel id -> ids of deliveries to be sent
    """

    events: list[Event] = []
    deliveries: dict[str, list[str]] = {}


class _Due(Struct, frozen=True):
    """A step whose time has come. `number` counts on through all rounds; `next_s` None: it is the last."""

    incident: Outage
    number: int
    step: EscalationStep
    of: int
    next_s: int | None
    watched: dict[str, str]
    status: int | None


async def take_due(now_ms: int) -> Taken:
    """Take every step that is due and has not been taken. Acknowledged and resolved incidents have none."""
    if not await db.rows("SELECT 1 AS one FROM incidents WHERE escalate_ms <= ?1 LIMIT 1", now_ms):
        return Taken()
    async with db.writing():
        found = await _found(now_ms)
        due = [one for row in found if (one := _due_of(row)) is not None]
        await _stop([row["id"] for row in found if _due_of(row) is None])
        won = await _advance(due, now_ms)
        owed = [(_event_of(one, now_ms), one.step.channel_ids) for one in due if one.incident.id in won]
        deliveries = await owe_to(owed, now_ms)
        reached = set(deliveries)
        await timeline.write(_line_of(one, now_ms, reached) for one in due if one.incident.id in won)
    return Taken(events=[event for event, _ in owed], deliveries=deliveries)


async def owe_to(owed: Sequence[tuple[Event, Sequence[str]]], now_ms: int) -> dict[str, list[str]]:
    """Store events, and a delivery for each of exactly these channels; inside of the caller's transaction.

    returns  channel id -> ids of deliveries to be sent; channels that are switched off or gone are absent
    """
    if not owed:
        return {}
    await _keep([event for event, _ in owed], now_ms)
    rows = [
        (str(uuid4()), event.id, channel_id, event.monitor_id, ms_of(event.at))
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
    return by_channel(made)


async def _keep(events: Sequence[Event], now_ms: int) -> None:
    """Store events of incidents, and no delivery of theirs."""
    rows = [
        (e.id, e.event, e.monitor_id, ms_of(e.at), _json.encode(e.data).decode(), e.data["incident"]["id"])
        for e in events
    ]
    await db.rows(
        "INSERT INTO events (id, kind, monitor_id, at_ms, data, created_ms, incident_id) SELECT value->>0, value->>1,"
        " value->>2, CAST(value->>3 AS BIGINT), value->>4, CAST(?2 AS BIGINT), value->>5 FROM {each:1}",
        _json.encode(rows).decode(),
        now_ms,
    )


async def _found(now_ms: int) -> Any:
    """Incidents whose time has come, with what the message needs; those of another scheduler's look are left to it."""
    locked = "" if db.is_sqlite() else " FOR UPDATE OF i SKIP LOCKED"
    return await db.rows(
        "SELECT i.id, i.monitor_id, i.title, i.started_ms, i.detected_ms, i.step, x.steps, x.repeat, m.name, m.type,"
        " s.status FROM incidents i LEFT JOIN escalations x ON x.id = i.escalation_id"
        " LEFT JOIN monitors m ON m.id = i.monitor_id LEFT JOIN series s ON s.monitor_id = m.id AND s.location = ''"
        " WHERE i.escalate_ms <= ?1 AND i.acknowledged_ms IS NULL AND i.resolved_ms IS NULL"
        f" ORDER BY i.escalate_ms, i.id LIMIT {AT_ONCE}{locked}",
        now_ms,
    )


def _due_of(row: Any) -> _Due | None:
    """The step that an incident is at; None when there is none any more."""
    steps = msgspec.json.decode(row["steps"] or "[]", type=list[EscalationStep])
    number, last = row["step"], len(steps) * ((row["repeat"] or 0) + 1)
    if number >= last or row["name"] is None:
        return None
    incident = Outage(
        id=row["id"],
        monitor_id=row["monitor_id"],
        title=row["title"],
        started_ms=row["started_ms"],
        detected_ms=row["detected_ms"],
    )
    next_s = steps[(number + 1) % len(steps)].after if number + 1 < last else None
    watched = {"id": row["monitor_id"], "name": row["name"], "type": row["type"]}
    return _Due(incident, number, steps[number % len(steps)], len(steps), next_s, watched, row["status"])


async def _advance(due: Sequence[_Due], now_ms: int) -> set[str]:
    """Count these steps as taken; returns the incidents for which that was ours to do."""
    rows = [(one.incident.id, one.number, None if one.next_s is None else now_ms + one.next_s * 1000) for one in due]
    if not rows:
        return set()
    won = await db.rows(
        "UPDATE incidents SET step = step + 1, escalate_ms = CAST(each.value->>2 AS BIGINT) FROM {each:1}"
        " WHERE incidents.id = each.value->>0 AND incidents.step = CAST(each.value->>1 AS INTEGER)"
        " AND incidents.acknowledged_ms IS NULL AND incidents.resolved_ms IS NULL RETURNING incidents.id",
        _json.encode(rows).decode(),
    )
    return {row["id"] for row in won}


async def _stop(incident_ids: Sequence[str]) -> None:
    """Wait for no further step: the escalation has fewer by now, or is gone, or the monitor is."""
    if incident_ids:
        await db.rows(
            "UPDATE incidents SET escalate_ms = NULL WHERE id IN (SELECT value->>0 FROM {each:1})",
            _json.encode([[one] for one in incident_ids]).decode(),
        )


def _event_of(one: _Due, now_ms: int) -> Event:
    return told(
        EventKind.INCIDENT_ESCALATED,
        one.incident,
        now_ms,
        monitor=one.watched,
        step=one.number + 1,
        status=one.status,
        started_at=instant_of(one.incident.started_ms),
        msg=f"Nobody has acknowledged it: {_step_of(one)}.",
    )


def _line_of(one: _Due, now_ms: int, reached: set[str]) -> Line:
    lost = "" if reached & {*one.step.channel_ids} else ": no channel of it can be told"
    return Line(one.incident.id, now_ms, EntryKind.ESCALATED, f"{_step_of(one).capitalize()}{lost}.")


def _step_of(one: _Due) -> str:
    rounds, place = divmod(one.number, one.of)
    return f"step {place + 1} of {one.of}" + (f", round {rounds + 1}" if rounds else "")
