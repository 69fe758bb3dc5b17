"""Gates: what is known of deliveries that are about to be sent, and whether they may go now.

Asked inside of the transaction that claims them, a fixed number of statements for any number of candidates; an outage
whose monitor hangs on nothing costs four. The rules are in `app.domain.alerting.suppression`.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from app import clock, db
from app.domain.alerting import suppression
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
from schema.channels.terms import ChannelRules
from schema.events import EventKind

__all__ = ["Candidate", "Decision", "decisions_for"]

_json = msgspec.json.Encoder()

_RULES = "SELECT id, kind, terms FROM channels WHERE id IN (SELECT value->>0 FROM {each:1})"
_STORED = (
    "SELECT d.id, d.reopened_ms, e.incident_id, e.data FROM deliveries d JOIN events e ON e.id = d.event_id"
    " WHERE d.id IN (SELECT value->>0 FROM {each:1})"
)
_RECOVERIES = (
    "SELECT each.value->>0 AS id, min(e.at_ms) AS ended_ms FROM {each:1} JOIN events e"
    " ON e.monitor_id = each.value->>1 AND e.at_ms > CAST(each.value->>2 AS BIGINT)"
    f" WHERE e.kind = '{EventKind.MONITOR_UP}'"
    f" OR (e.kind = '{EventKind.INCIDENT_RESOLVED}' AND e.incident_id = each.value->>3) GROUP BY 1"
)
_EARLIER_ALERTS = (
    "SELECT each.value->>0 AS candidate_id, d.id, e.kind, d.at_ms, d.state, d.attempts, d.error, d.sent_ms,"
    " d.reopened_ms"
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

    at_ms       of the event
    created_ms  when the event was stored
    attempts    tries before this one
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
    """What is stored of a candidate."""

    reminder: bool
    released_ms: int | None
    started_ms: int
    incident_id: str | None


class _BatchFacts(Struct, frozen=True):
    """What a batch of candidates has to be judged by; keys are candidates' ids, or monitors'.

    heard    (channel, monitor that is down): the channel is told of that outage, or is kept from it on purpose
    """

    stored: dict[str, _StoredEvent]
    recovered_ms: dict[str, int]
    earlier_alerts: dict[str, list[Any]]
    parents: dict[str, list[str]]
    parent_states: dict[str, ParentState]
    alerted_parents: set[tuple[str, str]]
    alerted_by_group: dict[str, str]


async def decisions_for(candidates: Sequence[Candidate], now_ms: int) -> dict[str, Decision]:
    """Whether these may go now, by id; inside of the caller's transaction."""
    terms, webhooks = await _rules_by_channel({one.channel_id for one in candidates})
    known = [one for one in candidates if one.channel_id in terms]
    facts = await _collect_facts([one for one in known if _needs_facts(one, webhooks)], terms)
    found: dict[str, Decision] = {}
    for one in sorted(known, key=lambda candidate: candidate.at_ms):  # a recovery asks what became of its outage
        case = _delivery_facts_of(one, terms[one.channel_id], facts, (found, now_ms))
        found[one.id] = suppression.decide(case, now_ms)
    return {one.id: found.get(one.id, Decision()) for one in candidates}


def _needs_facts(one: Candidate, webhooks: Collection[str]) -> bool:
    return (
        bool(one.monitor_id) and one.kind in SUPPRESSIBLE_EVENTS and not one.attempts and one.channel_id not in webhooks
    )


async def _rules_by_channel(channel_ids: Collection[str]) -> tuple[dict[str, ChannelRules], set[str]]:
    """Terms by channel, and which of the channels are webhooks."""
    found = await db.rows(_RULES, list_parameter(channel_ids))
    terms = {row["id"]: msgspec.json.decode(row["terms"], type=ChannelRules) for row in found}
    return terms, {row["id"] for row in found if row["kind"] == "webhook"}


async def _collect_facts(weighed: Sequence[Candidate], terms: Mapping[str, ChannelRules]) -> _BatchFacts:
    if not weighed:
        return _BatchFacts({}, {}, {}, {}, {}, set(), {})
    known = {
        row["id"]: _stored_event_of(row) for row in await db.rows(_STORED, list_parameter(one.id for one in weighed))
    }
    alarming = {str(one.monitor_id) for one in weighed if one.kind in ALERT_EVENTS}
    parents = await dependencies.ancestors(alarming) if alarming else {}
    nodes = await dependencies.parent_states({one for many in parents.values() for one in many}) if parents else {}
    return _BatchFacts(
        stored=known,
        recovered_ms=await _recovered_ms([one for one in weighed if _needs_recovery(one, known, terms)], known),
        earlier_alerts=await _earlier_alerts([one for one in weighed if _needs_earlier_alerts(one, known)], known),
        parents=parents,
        parent_states=nodes,
        alerted_parents=await _alerted_parents({one.channel_id for one in weighed}, nodes),
        alerted_by_group=await groups.alerted_elsewhere(alarming) if alarming else {},
    )


def _needs_recovery(one: Candidate, known: Mapping[str, _StoredEvent], terms: Mapping[str, ChannelRules]) -> bool:
    if one.kind not in ALERT_EVENTS or one.id not in known:
        return False
    if known[one.id].released_ms is not None:
        return True
    return one.kind is EventKind.MONITOR_DOWN and (bool(terms[one.channel_id].delay) or known[one.id].reminder)


def _needs_earlier_alerts(one: Candidate, known: Mapping[str, _StoredEvent]) -> bool:
    return one.id in known and known[one.id].started_ms > 0 and (one.kind in RECOVERY_EVENTS or known[one.id].reminder)


async def _recovered_ms(downs: Sequence[Candidate], known: Mapping[str, _StoredEvent]) -> dict[str, int]:
    """When the outages of these were over; those that last are absent."""
    if not downs:
        return {}
    asked = _json.encode([(one.id, one.monitor_id, one.at_ms, known[one.id].incident_id) for one in downs]).decode()
    return {row["id"]: row["ended_ms"] for row in await db.rows(_RECOVERIES, asked)}


async def _earlier_alerts(later: Sequence[Candidate], known: Mapping[str, _StoredEvent]) -> dict[str, list[Any]]:
    """The earlier alarms of the same outages on the same channels; that an incident is open is told by its end only."""
    if not later:
        return {}
    asked = [(one.id, one.channel_id, one.monitor_id, known[one.id].started_ms, one.at_ms) for one in later]
    incidents = {one.id for one in later if one.kind is EventKind.INCIDENT_RESOLVED}
    found: dict[str, list[Any]] = {}
    for row in await db.rows(_EARLIER_ALERTS, _json.encode(asked).decode()):
        if row["kind"] != EventKind.INCIDENT_OPENED or row["candidate_id"] in incidents:
            found.setdefault(row["candidate_id"], []).append(row)
    return found


async def _alerted_parents(channels: Collection[str], nodes: Mapping[str, ParentState]) -> set[tuple[str, str]]:
    """Of which outages of these channels hear: whoever hears nothing of the cause must hear of what it does."""
    asked = [(one, id_, node.alerted_ms) for id_, node in nodes.items() if node.is_down for one in channels]
    found = await db.rows(_PARENT_ALERTS, _json.encode(asked).decode()) if asked else []
    return {(row["channel_id"], row["monitor_id"]) for row in found}


def _delivery_facts_of(
    one: Candidate, terms: ChannelRules, facts: _BatchFacts, so_far: tuple[Mapping[str, Decision], int]
) -> DeliveryFacts:
    """All that matters for one candidate; for one that is not weighed that is little.

    so_far  what was decided of its elders, and now, epoch milliseconds
    """
    decided, now_ms = so_far
    known, monitor_id = facts.stored.get(one.id), one.monitor_id or ""
    if known is None:
        return DeliveryFacts(kind=one.kind, at_ms=one.at_ms, rules=terms, is_exempt=True)
    ended_ms = one.at_ms if one.kind in RECOVERY_EVENTS else facts.recovered_ms.get(one.id)
    return DeliveryFacts(
        kind=one.kind,
        at_ms=one.at_ms,
        rules=terms,
        is_reminder=known.reminder,
        released_ms=known.released_ms,
        recovered_ms=ended_ms,
        down_parent=_down_parent(one, facts),
        parents_awaited_until_ms=_hold_until_ms(one, facts, now_ms),
        group_reason=facts.alerted_by_group.get(monitor_id, ""),
        earlier=_summarize(facts.earlier_alerts.get(one.id, []), ended_ms, terms.delay, decided),
    )


def _down_parent(one: Candidate, facts: _BatchFacts) -> str | None:
    """The name of the nearest monitor this one hangs on that is down, as the channel hears."""
    above = graph.ancestors(one.monitor_id or "", facts.parents)
    return next(
        (facts.parent_states[id_].name for id_ in above if (one.channel_id, id_) in facts.alerted_parents), None
    )


def _hold_until_ms(one: Candidate, facts: _BatchFacts, now_ms: int) -> int:
    """Until when checks of what the monitor hangs on are awaited; 0: it is known to be up."""
    above = graph.ancestors(one.monitor_id or "", facts.parents)
    if any(id_ not in facts.parent_states for id_ in above):
        return now_ms + suppression.RECHECK_MS  # a check of it is being stored
    near = [facts.parent_states[id_] for id_, distance in above.items() if distance == 1]
    holds_ms = [node.hold_ms for node in near if node.is_uncertain(one.created_ms)]
    return one.created_ms + max(holds_ms) if holds_ms else 0


def _summarize(
    downs: Sequence[Any], ended_ms: int | None, delay_s: int, decided: Mapping[str, Decision]
) -> EarlierAlerts:
    """How the earlier downs of an outage fare that is over at `ended_ms`; None: it lasts."""
    if not downs:
        return EarlierAlerts()
    told = [row["sent_ms"] for row in downs if row["sent_ms"] is not None]
    first_ms = min((row["at_ms"] for row in downs if row["kind"] == EventKind.MONITOR_DOWN), default=0)
    delayed_ms = first_ms + delay_s * 1000 if first_ms else 0
    silent = all(_never_alerts(row, decided, ended_ms, delayed_ms) for row in downs)
    return EarlierAlerts(all_suppressed=silent, sent_ms=min(told, default=None), delayed_until_ms=delayed_ms)


def _never_alerts(row: Any, decided: Mapping[str, Decision], ended_ms: int | None, delayed_ms: int) -> bool:
    """Whether nobody read this alarm, and nobody will."""
    gate = decided.get(row["id"])
    if gate is not None and gate.action != "wait":
        return gate.action == "suppress"
    if row["state"] == "suppressed":
        return suppression.was_never_alerted(row["error"])
    waits = row["state"] == "pending" and not row["attempts"]
    is_short = row["kind"] == EventKind.MONITOR_DOWN and ended_ms is not None and ended_ms < delayed_ms
    return waits and (is_short or suppression.has_recovered_with_parent(row["reopened_ms"], ended_ms))


def _stored_event_of(row: Any) -> _StoredEvent:
    data = msgspec.json.decode(row["data"])
    started = data.get("started_at")
    started_ms = clock.epoch_ms(datetime.fromisoformat(started)) if started else 0
    return _StoredEvent(bool(data.get("reminder")), row["reopened_ms"], started_ms, row["incident_id"])
