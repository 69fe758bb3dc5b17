"""Monitors that fail and recover, and the decisions on the deliveries that follow."""

from typing import Any

from app import db
from app.domain.alerting import delivery_rules, reasons
from app.domain.alerting.delivery_facts import Action, Decision, OpenDelivery
from app.domain.incidents import lifecycle
from app.domain.incidents.lifecycle import OutageState
from app.store.alerting import channels, claim_facts, delivery_claims
from app.store.monitoring import series
from app.store.transactions import escalations, monitors, results
from app.store.transactions.results import StoredResults
from schema.events import EventKind
from schema.jobs import CheckOutcome
from tests import make

NOW, STEP = make.NOW_MS, make.MINUTE_MS
_DUE = "SELECT id FROM deliveries WHERE state = 'pending' AND next_attempt_ms <= ?1"


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


async def decide(now_ms: int) -> list[tuple[OpenDelivery, Decision]]:
    """What the outages alone decide about all due deliveries, oldest event first; inside a transaction."""
    due = [row["id"] for row in await db.rows(_DUE, now_ms)]
    locked = await claim_facts.lock_channels(due, now_ms, delivery_claims.MAX_AGE_MS)
    found = []
    for one in locked:
        plan = delivery_rules.plan(one.facts, delivery_rules.PASSES[:1])
        found += [(each, plan.get(each.id, delivery_rules.SEND)) for each in one.facts.deliveries if each.id in due]
    return sorted(found, key=lambda pair: (pair[0].at_ms, str(pair[0].kind)))


async def due_decisions(now_ms: int = NOW) -> dict[tuple[str, str], Decision]:
    """The decisions on all due deliveries, by (monitor, event)."""
    async with db.transaction():
        found = await decide(now_ms)
    return {(one.monitor_id or "", str(one.kind)): decision for one, decision in found}


async def settled(now_ms: int = NOW) -> list[str]:
    """Send what may go, suppress what may not; returns the code or action of each, oldest event first."""
    async with db.transaction():
        found = await decide(now_ms)
        for one, decision in found:
            await _settle(one.id, decision, now_ms)
    return [f"{one.kind}: {decision.reason.code if decision.reason else decision.action}" for one, decision in found]


async def _settle(id_: str, decision: Decision, now_ms: int) -> None:
    if decision.action is Action.SEND:
        await db.rows("UPDATE deliveries SET state = 'sent', sent_ms = ?2 WHERE id = ?1", id_, now_ms)
    elif decision.reason and decision.action is Action.SUPPRESS:
        await db.rows(
            "UPDATE deliveries SET state = 'suppressed', reason_code = ?2, error = ?3 WHERE id = ?1",
            id_,
            decision.reason.code.value,
            reasons.sentence(decision.reason),
        )
    else:
        await db.rows("UPDATE deliveries SET next_attempt_ms = ?2 WHERE id = ?1", id_, decision.until_ms)
