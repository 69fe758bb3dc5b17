"""Collects the facts that decide whether deliveries go now, wait or are suppressed.

Runs inside the transaction that claims the deliveries, with a fixed number of statements for any number of candidates;
an outage of a monitor without parents costs four. The rules are in `app.domain.alerting.suppression`.
Written as SQL: joins over JSON arrays.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from app import clock, db
from app.domain.alerting import suppression
from app.domain.alerting.reasons import Reason
from app.domain.alerting.suppression import (
    ALERT_EVENTS,
    RECOVERY_EVENTS,
    SUPPRESSIBLE_EVENTS,
    Decision,
    DeliveryFacts,
    EarlierAlerts,
)
from app.domain.monitoring import dependencies as graph
from app.store.monitoring import dependencies, groups
from app.store.monitoring.dependencies import ParentState
from app.store.sql import list_parameter
from schema.channels.rules import ChannelRules
from schema.events import EventKind

__all__ = ["Candidate", "Decision", "decisions_for"]

_json = msgspec.json.Encoder()

_RULES = "SELECT id, kind, rules FROM channels WHERE id IN (SELECT value->>0 FROM {each:1})"
_STORED = (
    "SELECT d.id, d.released_ms, e.incident_id, e.data FROM deliveries d JOIN events e ON e.id = d.event_id"
    " WHERE d.id IN (SELECT value->>0 FROM {each:1})"
)
_RECOVERIES = (
    "SELECT each.value->>0 AS id, min(e.at_ms) AS ended_ms FROM {each:1} JOIN events e"
    " ON e.monitor_id = each.value->>1 AND e.at_ms > CAST(each.value->>2 AS BIGINT)"
    f" WHERE e.kind = '{EventKind.MONITOR_UP}'"
    f" OR (e.kind = '{EventKind.INCIDENT_RESOLVED}' AND e.incident_id = each.value->>3) GROUP BY 1"
)
_EARLIER_ALERTS = (
    "SELECT each.value->>0 AS candidate_id, d.id, e.kind, d.at_ms, d.state, d.attempts, d.reason_code, d.sent_ms,"
    " d.released_ms"
    " FROM {each:1} JOIN deliveries d"
    " ON d.channel_id = each.value->>1 AND d.monitor_id = each.value->>2"
    " AND d.at_ms >= CAST(each.value->>3 AS BIGINT) AND d.at_ms < CAST(each.value->>4 AS BIGINT)"
    f" JOIN events e ON e.id = d.event_id WHERE e.kind IN {tuple(map(str, ALERT_EVENTS))}"
)
_PARENT_ALERTS = (
    "SELECT DISTINCT d.channel_id, d.monitor_id FROM {each:1} JOIN deliveries d ON d.channel_id = each.value->>0"
    " AND d.monitor_id = each.value->>1 AND d.at_ms >= CAST(each.value->>2 AS BIGINT)"
    f" JOIN events e ON e.id = d.event_id WHERE e.kind IN {tuple(map(str, ALERT_EVENTS))}"
)


class Candidate(Struct, frozen=True):
    """A delivery that is about to be sent.

    at_ms       when the event happened
    created_ms  when the event was stored
    attempts    number of earlier attempts
    """

    id: str
    event_id: str
    channel_id: str
    monitor_id: str | None
    kind: EventKind
    at_ms: int
    created_ms: int
    attempts: int = 0


class _StoredEvent(Struct, frozen=True):
    """What is stored about a candidate's event and delivery."""

    reminder: bool
    released_ms: int | None
    started_ms: int
    incident_id: str | None


class _EarlierAlert(Struct, frozen=True):
    """A delivery of an earlier alert of a candidate's outage."""

    candidate_id: str
    id: str
    kind: str
    at_ms: int
    state: str
    attempts: int
    reason_code: str
    sent_ms: int | None
    released_ms: int | None


class _BatchFacts(Struct, frozen=True):
    """The facts of a batch.

    stored            by candidate id
    recovered_ms      by candidate id
    earlier_alerts    by candidate id
    parents           by monitor id
    parent_states     by monitor id
    alerted_parents   (channel, parent that is down) with a delivery of that outage, sent or suppressed
    alerted_by_group  by monitor id: why its group, or the group's members, alert instead
    """

    stored: dict[str, _StoredEvent]
    recovered_ms: dict[str, int]
    earlier_alerts: dict[str, list[_EarlierAlert]]
    parents: dict[str, list[str]]
    parent_states: dict[str, ParentState]
    alerted_parents: set[tuple[str, str]]
    alerted_by_group: dict[str, Reason]


async def decisions_for(candidates: Sequence[Candidate], now_ms: int) -> dict[str, Decision]:
    """The decision for each candidate, by delivery id; inside the caller's transaction."""
    rules, webhooks = await _rules_by_channel({one.channel_id for one in candidates})
    known = [one for one in candidates if one.channel_id in rules]
    facts = await _collect_facts([one for one in known if _needs_facts(one, webhooks)], rules)
    decided: dict[str, Decision] = {}
    for one in sorted(known, key=lambda candidate: candidate.at_ms):  # a recovery depends on its outage's decision
        delivery_facts = _delivery_facts_of(one, rules[one.channel_id], facts, (decided, now_ms))
        decided[one.id] = suppression.decide(delivery_facts, now_ms)
    return {one.id: decided.get(one.id, Decision()) for one in candidates}


def _needs_facts(candidate: Candidate, webhooks: Collection[str]) -> bool:
    is_first_attempt = bool(candidate.monitor_id) and not candidate.attempts
    return is_first_attempt and candidate.kind in SUPPRESSIBLE_EVENTS and candidate.channel_id not in webhooks


async def _rules_by_channel(channel_ids: Collection[str]) -> tuple[dict[str, ChannelRules], set[str]]:
    """Rules by channel, and the ids of the channels that are webhooks."""
    found = await db.rows(_RULES, list_parameter(channel_ids))
    rules = {row["id"]: msgspec.json.decode(row["rules"], type=ChannelRules) for row in found}
    return rules, {row["id"] for row in found if row["kind"] == "webhook"}


async def _collect_facts(candidates: Sequence[Candidate], rules: Mapping[str, ChannelRules]) -> _BatchFacts:
    if not candidates:
        return _BatchFacts({}, {}, {}, {}, {}, set(), {})
    found = await db.rows(_STORED, list_parameter(one.id for one in candidates))
    stored = {row["id"]: _stored_event_of(row) for row in found}
    down_ids = {str(one.monitor_id) for one in candidates if one.kind in ALERT_EVENTS}
    parents = await dependencies.ancestors(down_ids) if down_ids else {}
    parent_ids = {id_ for ids in parents.values() for id_ in ids}
    parent_states = await dependencies.parent_states(parent_ids) if parents else {}
    return _BatchFacts(
        stored=stored,
        recovered_ms=await _recovered_ms([one for one in candidates if _needs_recovery(one, stored, rules)], stored),
        earlier_alerts=await _earlier_alerts([one for one in candidates if _needs_earlier_alerts(one, stored)], stored),
        parents=parents,
        parent_states=parent_states,
        alerted_parents=await _alerted_parents({one.channel_id for one in candidates}, parent_states),
        alerted_by_group=await groups.alerted_elsewhere(down_ids) if down_ids else {},
    )


def _needs_recovery(
    candidate: Candidate, stored: Mapping[str, _StoredEvent], rules: Mapping[str, ChannelRules]
) -> bool:
    event = stored.get(candidate.id)
    if candidate.kind not in ALERT_EVENTS or event is None:
        return False
    if event.released_ms is not None:
        return True
    return candidate.kind is EventKind.MONITOR_DOWN and (bool(rules[candidate.channel_id].min_outage) or event.reminder)


def _needs_earlier_alerts(candidate: Candidate, stored: Mapping[str, _StoredEvent]) -> bool:
    event = stored.get(candidate.id)
    return event is not None and event.started_ms > 0 and (candidate.kind in RECOVERY_EVENTS or event.reminder)


async def _recovered_ms(alerts: Sequence[Candidate], stored: Mapping[str, _StoredEvent]) -> dict[str, int]:
    """When the outages of these alerts ended; ongoing ones are absent."""
    if not alerts:
        return {}
    rows = [(one.id, one.monitor_id, one.at_ms, stored[one.id].incident_id) for one in alerts]
    return {row["id"]: row["ended_ms"] for row in await db.rows(_RECOVERIES, _json.encode(rows).decode())}


async def _earlier_alerts(
    later: Sequence[Candidate], stored: Mapping[str, _StoredEvent]
) -> dict[str, list[_EarlierAlert]]:
    """Earlier alerts of the same outages on the same channels; an opened incident counts only for its resolution."""
    if not later:
        return {}
    rows = [(one.id, one.channel_id, one.monitor_id, stored[one.id].started_ms, one.at_ms) for one in later]
    resolutions = {one.id for one in later if one.kind is EventKind.INCIDENT_RESOLVED}
    found: dict[str, list[_EarlierAlert]] = {}
    for row in await db.rows(_EARLIER_ALERTS, _json.encode(rows).decode()):
        alert = _EarlierAlert(**row)
        if alert.kind != EventKind.INCIDENT_OPENED or alert.candidate_id in resolutions:
            found.setdefault(alert.candidate_id, []).append(alert)
    return found


async def _alerted_parents(
    channel_ids: Collection[str], parent_states: Mapping[str, ParentState]
) -> set[tuple[str, str]]:
    """(channel, parent that is down) where the channel gets the parent's alert; elsewhere the child alerts itself."""
    rows = [
        (channel_id, id_, parent.alerted_ms)
        for id_, parent in parent_states.items()
        if parent.is_down
        for channel_id in channel_ids
    ]
    found = await db.rows(_PARENT_ALERTS, _json.encode(rows).decode()) if rows else []
    return {(row["channel_id"], row["monitor_id"]) for row in found}


def _delivery_facts_of(
    candidate: Candidate, rules: ChannelRules, facts: _BatchFacts, so_far: tuple[Mapping[str, Decision], int]
) -> DeliveryFacts:
    """The facts of one candidate; few when nothing was collected for it.

    so_far  decisions about older candidates, and the time in epoch milliseconds
    """
    decided, now_ms = so_far
    stored = facts.stored.get(candidate.id)
    if stored is None:
        return DeliveryFacts(kind=candidate.kind, at_ms=candidate.at_ms, rules=rules, is_exempt=True)
    is_recovery = candidate.kind in RECOVERY_EVENTS
    recovered_ms = candidate.at_ms if is_recovery else facts.recovered_ms.get(candidate.id)
    return DeliveryFacts(
        kind=candidate.kind,
        at_ms=candidate.at_ms,
        rules=rules,
        is_reminder=stored.reminder,
        released_ms=stored.released_ms,
        recovered_ms=recovered_ms,
        down_parent=_down_parent(candidate, facts),
        parents_awaited_until_ms=_hold_until_ms(candidate, facts, now_ms),
        group_reason=facts.alerted_by_group.get(candidate.monitor_id or ""),
        earlier=_summarize(facts.earlier_alerts.get(candidate.id, []), recovered_ms, rules.min_outage, decided),
    )


def _down_parent(candidate: Candidate, facts: _BatchFacts) -> str | None:
    """The name of the nearest parent that is down and alerted on the candidate's channel."""
    ancestors = graph.ancestors(candidate.monitor_id or "", facts.parents)
    alerted = (id_ for id_ in ancestors if (candidate.channel_id, id_) in facts.alerted_parents)
    return next((facts.parent_states[id_].name for id_ in alerted), None)


def _hold_until_ms(candidate: Candidate, facts: _BatchFacts, now_ms: int) -> int:
    """Until when to wait for checks of the parents; 0 when they are known to be up."""
    ancestors = graph.ancestors(candidate.monitor_id or "", facts.parents)
    if any(id_ not in facts.parent_states for id_ in ancestors):
        return now_ms + suppression.RECHECK_MS  # a parent's check is being stored
    parents = [facts.parent_states[id_] for id_, distance in ancestors.items() if distance == 1]
    holds_ms = [parent.hold_ms for parent in parents if parent.is_uncertain(candidate.created_ms)]
    return candidate.created_ms + max(holds_ms) if holds_ms else 0


def _summarize(
    alerts: Sequence[_EarlierAlert], recovered_ms: int | None, delay_s: int, decided: Mapping[str, Decision]
) -> EarlierAlerts:
    """What becomes of an outage's earlier alerts; `recovered_ms` is None while it is ongoing."""
    if not alerts:
        return EarlierAlerts()
    first_ms = min((one.at_ms for one in alerts if one.kind == EventKind.MONITOR_DOWN), default=0)
    delayed_ms = first_ms + delay_s * 1000 if first_ms else 0
    return EarlierAlerts(
        all_suppressed=all(_never_alerts(one, decided, recovered_ms, delayed_ms) for one in alerts),
        sent_ms=min((one.sent_ms for one in alerts if one.sent_ms is not None), default=None),
        delayed_until_ms=delayed_ms,
    )


def _never_alerts(
    alert: _EarlierAlert, decided: Mapping[str, Decision], recovered_ms: int | None, delayed_ms: int
) -> bool:
    """Whether this earlier alert was not sent and will not be."""
    decision = decided.get(alert.id)
    if decision is not None and decision.action != "wait":
        return decision.action == "suppress"
    if alert.state == "suppressed":
        return alert.reason_code in suppression.NEVER_ALERTED_CODES
    waits = alert.state == "pending" and not alert.attempts
    is_short = alert.kind == EventKind.MONITOR_DOWN and recovered_ms is not None and recovered_ms < delayed_ms
    return waits and (is_short or suppression.has_recovered_with_parent(alert.released_ms, recovered_ms))


def _stored_event_of(row: Any) -> _StoredEvent:
    data = msgspec.json.decode(row["data"])
    started = data.get("started_at")
    started_ms = clock.epoch_ms(datetime.fromisoformat(started)) if started else 0
    return _StoredEvent(bool(data.get("reminder")), row["released_ms"], started_ms, row["incident_id"])
