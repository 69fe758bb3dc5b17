"""Monitors that fail and recover, and the decisions on the deliveries that follow."""

from typing import Any

from app import db
from app.domain.alerting import reasons
from app.domain.incidents import lifecycle
from app.domain.incidents.lifecycle import OutageState
from app.store.alerting import channels, suppression
from app.store.alerting.suppression import Candidate, Decision
from app.store.monitoring import series
from app.store.transactions import escalations, monitors, results
from app.store.transactions.results import StoredResults
from schema.events import EventKind
from schema.jobs import CheckOutcome
from tests import make

NOW, STEP = make.NOW_MS, make.MINUTE_MS
_OPEN = (
    "SELECT d.id, d.event_id, d.channel_id, d.monitor_id, e.kind, d.at_ms, d.created_ms, d.attempts"
    " FROM deliveries d JOIN events e ON e.id = d.event_id WHERE d.state = 'pending' AND d.next_attempt_ms <= ?1"
)


async def channel(**changes: Any) -> str:
    """A channel that every monitor notifies."""
    return (await channels.create(make.channel(all_monitors=True, **changes))).id


async def monitor(name: str = "web", *parents: str, **changes: Any) -> str:
    """A monitor with these parents."""
    return (await monitors.create(make.monitor(name=name, parent_ids=list(parents), **changes))).monitor.id


async def store_outcome(monitor_id: str, outcome: CheckOutcome, now_ms: int = 0) -> StoredResults:
    """Store a result of this monitor when it was due, or later."""
    (no,) = await series.list_numbers(monitor_id)
    snapshots = {one.series: one for one in await series.list_snapshots([no])}
    mine = make.outcome(series=no, at_ms=outcome.at_ms, status=outcome.status)
    return await results.store_results(make.results(mine), snapshots, now_ms or outcome.at_ms)


async def fails(monitor_id: str, at_ms: int = NOW) -> StoredResults:
    """A check of it fails."""
    return await store_outcome(monitor_id, make.down(at_ms=at_ms))


async def passes(monitor_id: str, at_ms: int = NOW) -> StoredResults:
    """A check of it passes."""
    return await store_outcome(monitor_id, make.outcome(at_ms=at_ms))


async def escalated(monitor_id: str, ops: str, at_ms: int) -> None:
    """Record an escalation of this monitor's outage for the channel."""
    (row,) = await db.rows("SELECT id, monitor_id, title, started_ms, detected_ms FROM incidents")
    outage = OutageState(**dict(row))
    async with db.transaction():
        event = lifecycle.incident_event(EventKind.INCIDENT_ESCALATED, outage, at_ms)
        await escalations.record_for_channels([(event, [ops])], at_ms)
    assert outage.monitor_id == monitor_id


async def due_decisions(now_ms: int = NOW) -> dict[tuple[str, str], Decision]:
    """The decisions on all due deliveries, by (monitor, event)."""
    rows = await db.rows(_OPEN, now_ms)
    candidates = [Candidate(**{**row, "kind": EventKind(row["kind"])}) for row in map(dict, rows)]
    async with db.transaction():
        found = await suppression.decisions_for(candidates, now_ms)
    return {(one.monitor_id or "", str(one.kind)): found[one.id] for one in candidates}


async def settled(now_ms: int = NOW) -> list[str]:
    """Send what may go, suppress what may not; returns the code or action of each, oldest event first."""
    rows = [dict(row) for row in await db.rows(_OPEN + " ORDER BY d.at_ms, e.kind", now_ms)]
    candidates = [Candidate(**{**row, "kind": EventKind(row["kind"])}) for row in rows]
    async with db.transaction():
        found = await suppression.decisions_for(candidates, now_ms)
        for one in candidates:
            await _settle(one.id, found[one.id], now_ms)
    return [f"{one.kind}: {_outcome(found[one.id])}" for one in candidates]


def _outcome(decision: Decision) -> str:
    return decision.action if decision.reason is None else decision.reason.code


async def _settle(id_: str, decision: Decision, now_ms: int) -> None:
    if decision.action == "send":
        await db.rows("UPDATE deliveries SET state = 'sent', sent_ms = ?2 WHERE id = ?1", id_, now_ms)
    elif decision.reason and decision.action == "suppress":
        await db.rows(
            "UPDATE deliveries SET state = 'suppressed', reason_code = ?2, error = ?3 WHERE id = ?1",
            id_,
            decision.reason.code.value,
            reasons.sentence(decision.reason),
        )
    else:
        await db.rows("UPDATE deliveries SET next_attempt_ms = ?2 WHERE id = ?1", id_, decision.until_ms)
