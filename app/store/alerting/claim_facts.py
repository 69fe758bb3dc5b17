"""Reads what decides about the deliveries of a claim, inside its transaction, which locks their channels.

The number of statements is fixed for any number of deliveries and channels: four for outages of monitors without
parents, at most nine. The rules are in `app.domain.alerting.delivery_rules`.
Written as SQL: CTEs, unions over the outbox, joins over JSON arrays and row locks.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from app import clock, db
from app.domain.alerting import circuit_breaker, delivery_rules, grouping, routing
from app.domain.alerting.circuit_breaker import Circuit
from app.domain.alerting.delivery_facts import (
    ALERT_EVENTS,
    GROUPED,
    OUTAGE_EVENTS,
    RECOVERY_EVENTS,
    RESENT,
    ChannelFacts,
    DispatchFacts,
    EarlierAlert,
    OpenDelivery,
    OutageFacts,
)
from app.domain.alerting.grouping import BurstCapacity
from app.domain.alerting.reasons import Reason
from app.domain.monitoring import dependencies as graph
from app.store.alerting.channel_rows import StoredChannel, circuit_state_of, rules_of, stored_channel
from app.store.monitoring import dependencies, groups
from app.store.monitoring.dependencies import ParentState
from app.store.sql import list_parameter
from schema.events import Event, EventKind

MAX_DIGEST_SIZE = 2_000  # deliveries in one message

_json = msgspec.json.Encoder()

# The requested deliveries, all open ones of the same (channel, monitor), and the digests that any of them belong to.
_RELATED = (
    "WITH chosen AS (SELECT d.id, d.channel_id, d.monitor_id, d.digest_id FROM deliveries d"
    " WHERE d.id IN (SELECT value->>0 FROM {each:1}) AND d.state IN ('pending', 'sending')),"
    " family AS (SELECT id, digest_id FROM chosen UNION SELECT f.id, f.digest_id FROM chosen c JOIN deliveries f"
    " ON f.channel_id = c.channel_id AND f.monitor_id = c.monitor_id WHERE f.state IN ('pending', 'sending')),"
    " crew AS (SELECT id FROM family UNION SELECT digest_id FROM family WHERE digest_id IS NOT NULL"
    " UNION SELECT m.id FROM family f JOIN deliveries m ON m.digest_id = COALESCE(f.digest_id, f.id))"
    " SELECT d.id, d.channel_id, d.event_id, d.state, d.attempts, d.next_attempt_ms, d.lease_until_ms, d.error,"
    " d.digest_id, d.hold, d.created_ms, COALESCE(d.age_from_ms, d.created_ms) AS age_from_ms, d.released_ms,"
    " d.sent_ms, d.monitor_id, e.kind, e.at_ms, e.data"
    " FROM crew JOIN deliveries d ON d.id = crew.id JOIN events e ON e.id = d.event_id"
    " WHERE d.state IN ('pending', 'sending') ORDER BY e.at_ms, d.created_ms, d.id"
)
_CHANNELS = (
    "SELECT * FROM channels WHERE id IN (SELECT d.channel_id FROM deliveries d"
    " WHERE d.id IN (SELECT value->>0 FROM {each:1})) ORDER BY id"
)
_RECENTLY_SENT = (
    "SELECT d.channel_id, d.sent_ms AS at_ms FROM {each:1} JOIN deliveries d ON d.channel_id = each.value->>0"
    " WHERE d.sent_ms > CAST(each.value->>1 AS BIGINT) AND d.digest_id IS NULL AND d.state = 'sent'"
    " UNION ALL SELECT d.channel_id, d.lease_until_ms AS at_ms FROM {each:1} JOIN deliveries d"
    " ON d.channel_id = each.value->>0 WHERE d.state IN ('pending', 'sending') AND d.state = 'sending'"
    " AND d.lease_until_ms > ?2 AND d.digest_id IS NULL"
)
_WAITING_FOR_DIGEST = (
    "SELECT id FROM (SELECT d.id, row_number() OVER (PARTITION BY d.channel_id ORDER BY d.at_ms) AS place"
    " FROM {each:1} JOIN deliveries d ON d.channel_id = each.value->>0 WHERE d.state IN ('pending', 'sending')"
    f" AND d.state = 'pending' AND (d.hold = 'grouped' OR d.next_attempt_ms <= ?2)) w WHERE place <= {MAX_DIGEST_SIZE}"
)
_RECOVERIES = (
    "SELECT each.value->>0 AS id, min(e.at_ms) AS ended_ms FROM {each:1} JOIN events e"
    " ON e.monitor_id = each.value->>1 AND e.at_ms > CAST(each.value->>2 AS BIGINT)"
    f" WHERE e.kind = '{EventKind.MONITOR_UP}'"
    f" OR (e.kind = '{EventKind.INCIDENT_RESOLVED}' AND e.incident_id = each.value->>3) GROUP BY 1"
)
_EARLIER_ALERTS = (
    "SELECT each.value->>0 AS later_id, d.id, e.kind, d.at_ms, d.state, d.attempts, d.reason_code, d.sent_ms,"
    " d.released_ms FROM {each:1} JOIN deliveries d"
    " ON d.channel_id = each.value->>1 AND d.monitor_id = each.value->>2"
    " AND d.at_ms >= CAST(each.value->>3 AS BIGINT) AND d.at_ms < CAST(each.value->>4 AS BIGINT)"
    f" JOIN events e ON e.id = d.event_id WHERE e.kind IN {tuple(map(str, ALERT_EVENTS))}"
)
_PARENT_ALERTS = (
    "SELECT DISTINCT d.channel_id, d.monitor_id FROM {each:1} JOIN deliveries d ON d.channel_id = each.value->>0"
    " AND d.monitor_id = each.value->>1 AND d.at_ms >= CAST(each.value->>2 AS BIGINT)"
    f" JOIN events e ON e.id = d.event_id WHERE e.kind IN {tuple(map(str, ALERT_EVENTS))}"
)


class LockedChannel(Struct, frozen=True):
    """A channel whose row is locked until the transaction ends.

    stored  the whole channel, for the sender
    facts   all that decides about its open deliveries
    """

    stored: StoredChannel
    facts: DispatchFacts


class _Family(Struct, frozen=True):
    """Parents of monitors, and who alerts instead of them.

    parents           child -> parents, of each monitor and of its ancestors
    states            by monitor id
    alerted_parents   (channel, parent that is down) with a delivery of that outage, sent or suppressed
    alerted_by_group  by monitor id: why its group, or the group's members, alert instead
    """

    parents: Mapping[str, list[str]]
    states: Mapping[str, ParentState]
    alerted_parents: Collection[tuple[str, str]]
    alerted_by_group: Mapping[str, Reason]


async def lock_channels(delivery_ids: Sequence[str], now_ms: int, max_age_ms: int) -> list[LockedChannel]:
    """The channels of these deliveries, locked until the transaction ends, with the facts of their open deliveries."""
    lock = "" if db.is_sqlite() else " FOR NO KEY UPDATE"  # does not block inserts of deliveries
    stored = [stored_channel(row) for row in await db.rows(_CHANNELS + lock, list_parameter(delivery_ids))]
    deliveries = await _related_deliveries(delivery_ids, now_ms)
    if digests := sorted({one.channel_id for one in deliveries if one.is_ready and one.hold == GROUPED}):
        waiting = await db.rows(_WAITING_FOR_DIGEST, list_parameter(digests), now_ms)
        deliveries = await _related_deliveries([*delivery_ids, *(row["id"] for row in waiting)], now_ms)
    channels = {one.id: _channel_facts_of(one) for one in stored}
    outages = await _outages([one for one in deliveries if _has_outage(one, channels, now_ms)], channels, now_ms)
    capacities = await _burst_capacities(channels.values(), now_ms)
    by_channel: dict[str, list[OpenDelivery]] = {}
    for delivery in deliveries:
        by_channel.setdefault(delivery.channel_id, []).append(delivery)
    return [
        LockedChannel(
            one,
            DispatchFacts(
                channel=channels[one.id],
                now_ms=now_ms,
                max_age_ms=max_age_ms,
                deliveries=by_channel.get(one.id, []),
                outages=outages,
                capacity=capacities.get(one.id, BurstCapacity(0, 0)),
            ),
        )
        for one in stored
    ]


def _channel_facts_of(stored: StoredChannel) -> ChannelFacts:
    is_webhook, rules = stored.kind == "webhook", rules_of(stored)
    return ChannelFacts(
        id=stored.id,
        is_webhook=is_webhook,
        is_deleted=stored.deleted_ms is not None,
        active=stored.active,
        rules=rules,
        grouping=None if is_webhook else grouping.grouping_of(stored.type, rules),
        circuit=circuit_state_of(stored),
        disabled_reason=stored.disabled_reason,
    )


async def _related_deliveries(delivery_ids: Sequence[str], now_ms: int) -> list[OpenDelivery]:
    """These deliveries and all open ones of their monitors and digests, oldest event first."""
    found = await db.rows(_RELATED, list_parameter(delivery_ids))
    present = {row["id"] for row in found}
    digest_ids = {row["digest_id"] for row in found if row["digest_id"] != row["id"]} & present
    return [_open_delivery_of(row, digest_ids, now_ms) for row in found]


def _open_delivery_of(row: Any, digest_ids: set[str], now_ms: int) -> OpenDelivery:
    leased = row["state"] == "sending" and row["lease_until_ms"] > now_ms
    digest_id = row["digest_id"] if row["digest_id"] in digest_ids else None
    data = msgspec.json.decode(row["data"])
    started = data.get("started_at")
    return OpenDelivery(
        id=row["id"],
        channel_id=row["channel_id"],
        event=Event(
            id=row["event_id"],
            event=EventKind(row["kind"]),
            at=clock.instant(row["at_ms"]),
            monitor_id=row["monitor_id"],
            data=data,
        ),
        at_ms=row["at_ms"],
        attempts=row["attempts"],
        created_ms=row["created_ms"],
        age_from_ms=row["age_from_ms"],
        error=row["error"],
        digest_id=digest_id,
        hold=row["hold"],
        released_ms=row["released_ms"],
        started_ms=clock.epoch_ms(datetime.fromisoformat(started)) if started else 0,
        is_reminder=bool(data.get("reminder")),
        is_ready=not leased and (row["state"] == "sending" or row["next_attempt_ms"] <= now_ms),
        leased=leased,
        in_sent_digest=digest_id is not None or row["id"] in digest_ids,
        maybe_sent=row["digest_id"] == row["id"] or (row["state"] == "sending" and not leased),
        partly_sent=row["sent_ms"] is not None,
    )


async def _burst_capacities(channels: Iterable[ChannelFacts], now_ms: int) -> dict[str, BurstCapacity]:
    """How many single messages each channel may receive now; those being sent count."""
    limits = {one.id: one.grouping for one in channels if one.grouping is not None}
    if not limits:
        return {}
    since = [(id_, now_ms - one.window * 1000) for id_, one in limits.items()]
    sent_ms: dict[str, list[int]] = {}
    for row in await db.rows(_RECENTLY_SENT, _json.encode(since).decode(), now_ms):
        sent_ms.setdefault(row["channel_id"], []).append(min(row["at_ms"], now_ms))
    return {
        id_: grouping.capacity(one, sorted(sent_ms.get(id_, ()), reverse=True), now_ms) for id_, one in limits.items()
    }


def _has_outage(delivery: OpenDelivery, channels: Mapping[str, ChannelFacts], now_ms: int) -> bool:
    """Whether an outage may hold or suppress this delivery now."""
    channel = channels[delivery.channel_id]
    is_first_attempt = delivery.is_ready and not delivery.attempts and delivery.hold != RESENT
    is_open = circuit_breaker.circuit_at(channel.circuit, now_ms) is Circuit.OPEN
    is_suppressible = is_first_attempt and bool(delivery.monitor_id) and delivery.kind in OUTAGE_EVENTS
    return is_suppressible and not channel.is_webhook and channel.active and not is_open


async def _outages(
    deliveries: Sequence[OpenDelivery], channels: Mapping[str, ChannelFacts], now_ms: int
) -> dict[str, OutageFacts]:
    """What is known about the outage of each delivery, by its id."""
    if not deliveries:
        return {}
    family = await _family(deliveries)
    recovered_ms = await _recovered_ms([one for one in deliveries if _needs_recovery(one, channels[one.channel_id])])
    earlier = await _earlier_alerts(
        [one for one in deliveries if one.started_ms and (one.kind in RECOVERY_EVENTS or one.is_reminder)]
    )
    return {
        one.id: OutageFacts(
            recovered_ms=one.at_ms if one.kind in RECOVERY_EVENTS else recovered_ms.get(one.id),
            down_parent=_down_parent(one, family),
            parents_awaited_until_ms=_parents_awaited_until_ms(one, family, now_ms),
            group_reason=family.alerted_by_group.get(one.monitor_id or ""),
            earlier_alerts=earlier.get(one.id, ()),
        )
        for one in deliveries
    }


async def _family(deliveries: Sequence[OpenDelivery]) -> _Family:
    """The parents and groups of the monitors that these deliveries alert of."""
    down_ids = {str(one.monitor_id) for one in deliveries if one.kind in ALERT_EVENTS}
    if not down_ids:
        return _Family({}, {}, (), {})
    parents = await dependencies.ancestors(down_ids)
    states = await dependencies.parent_states({id_ for ids in parents.values() for id_ in ids}) if parents else {}
    alerted = await _alerted_parents({one.channel_id for one in deliveries}, states)
    return _Family(parents, states, alerted, await groups.alerted_elsewhere(down_ids))


async def _alerted_parents(channel_ids: Collection[str], states: Mapping[str, ParentState]) -> set[tuple[str, str]]:
    """(channel, parent that is down) where the channel gets the parent's alert; elsewhere the child alerts itself."""
    down = [(id_, one.alerted_ms) for id_, one in states.items() if one.is_down]
    rows = [(channel_id, id_, alerted_ms) for id_, alerted_ms in down for channel_id in channel_ids]
    found = await db.rows(_PARENT_ALERTS, _json.encode(rows).decode()) if rows else []
    return {(row["channel_id"], row["monitor_id"]) for row in found}


def _needs_recovery(delivery: OpenDelivery, channel: ChannelFacts) -> bool:
    if delivery.kind not in ALERT_EVENTS:
        return False
    may_be_short = bool(channel.rules.min_outage) or delivery.is_reminder
    return delivery.released_ms is not None or (delivery.kind is EventKind.MONITOR_DOWN and may_be_short)


async def _recovered_ms(alerts: Sequence[OpenDelivery]) -> dict[str, int]:
    """When the outages of these alerts ended; ongoing ones are absent."""
    rows = [(one.id, one.monitor_id, one.at_ms, routing.incident_id_of(one.event.data)) for one in alerts]
    found = await db.rows(_RECOVERIES, _json.encode(rows).decode()) if rows else []
    return {row["id"]: row["ended_ms"] for row in found}


async def _earlier_alerts(later: Sequence[OpenDelivery]) -> dict[str, list[EarlierAlert]]:
    """Earlier alerts of the same outages on the same channels; an opened incident counts only for its resolution."""
    rows = [(one.id, one.channel_id, one.monitor_id, one.started_ms, one.at_ms) for one in later]
    resolutions = {one.id for one in later if one.kind is EventKind.INCIDENT_RESOLVED}
    found: dict[str, list[EarlierAlert]] = {}
    for row in map(dict, await db.rows(_EARLIER_ALERTS, _json.encode(rows).decode()) if rows else []):
        later_id, alert = row.pop("later_id"), EarlierAlert(**row)
        if alert.kind != EventKind.INCIDENT_OPENED or later_id in resolutions:
            found.setdefault(later_id, []).append(alert)
    return found


def _down_parent(delivery: OpenDelivery, family: _Family) -> str | None:
    """The name of the nearest parent that is down and alerted on the delivery's channel."""
    ancestors = graph.ancestors(delivery.monitor_id or "", family.parents)
    alerted = (id_ for id_ in ancestors if (delivery.channel_id, id_) in family.alerted_parents)
    return next((family.states[id_].name for id_ in alerted), None)


def _parents_awaited_until_ms(delivery: OpenDelivery, family: _Family, now_ms: int) -> int:
    """Until when to wait for checks of the parents; 0 when they are known to be up."""
    ancestors = graph.ancestors(delivery.monitor_id or "", family.parents)
    if any(id_ not in family.states for id_ in ancestors):
        return now_ms + delivery_rules.RECHECK_MS  # a parent's check is being stored
    parents = [family.states[id_] for id_, distance in ancestors.items() if distance == 1]
    holds_ms = [parent.hold_ms for parent in parents if parent.is_uncertain(delivery.created_ms)]
    return delivery.created_ms + max(holds_ms) if holds_ms else 0
