"""Expiry notices of certificates and domains: one event per monitor, item and threshold in days.

An item is a certificate, or a domain with its expiry date. When several thresholds are reached at once, there is one
event, for the tightest. Each process remembers what was recorded, so that a certificate at 20 days costs a statement
once and not with every check.
A notice is open until a check of its monitor shows that it is over: another item that expires later, or a passing check
without one, since probes report what expires within `NOTICE_HORIZON_DAYS` only. `series.expiring` has the item of the
newest open notice, so that other checks cost no statement. Written as SQL: inserts and joins over JSON arrays.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Struct

from app import clock, db
from app.domain.alerting import expiry
from app.store.alerting import outbox
from app.store.monitoring.rows import type_of
from app.store.sql import list_parameter
from schema.events import Event, EventKind
from schema.heartbeat_texts import INFORMATIONAL
from schema.jobs import CheckOutcome, ExpiringItem
from schema.monitors import Monitor, Snapshot
from schema.status import Status

CACHE_LIMIT = 100_000  # then the cache is cleared, which costs one statement per item

NoticeKey = tuple[str, str, str]  # monitor, kind, identity of the certificate or domain

_json = msgspec.json.Encoder()
_recorded_days: dict[NoticeKey, int] = {}  # the tightest recorded threshold
_CLOSE = (
    "UPDATE expiry_notices SET closed_ms = CAST(each.value->>4 AS BIGINT) FROM {each:1}"
    " WHERE expiry_notices.monitor_id = each.value->>0 AND expiry_notices.closed_ms IS NULL"
    " AND (each.value->>1 = '' OR (expiry_notices.kind = each.value->>1 AND expiry_notices.identity <> each.value->>2"
    " AND expiry_notices.ends_ms < CAST(each.value->>3 AS BIGINT))) RETURNING expiry_notices.monitor_id AS monitor_id,"
    " expiry_notices.kind AS kind, expiry_notices.identity AS identity, expiry_notices.name AS name,"
    " expiry_notices.ends_ms AS ends_ms, expiry_notices.at_ms AS at_ms"
)
_SET_EXPIRING = (
    "UPDATE series SET expiring = (SELECT n.identity FROM expiry_notices n WHERE n.monitor_id = series.monitor_id"
    " AND n.closed_ms IS NULL ORDER BY n.at_ms DESC, n.ends_ms LIMIT 1)"
    " WHERE monitor_id IN (SELECT value->>0 FROM {each:1})"
)
_EVENT_KINDS = {"certificate": EventKind.CERTIFICATE_EXPIRING, "domain": EventKind.DOMAIN_EXPIRING}


class ExpiryCandidate(Struct, frozen=True):
    """An item that expires soon, and the thresholds it has reached, tightest first."""

    snapshot: Snapshot
    expiring: ExpiringItem
    at_ms: int
    thresholds: list[int]

    @property
    def key(self) -> NoticeKey:
        """What each notice is unique by, besides the threshold."""
        return self.snapshot.monitor_id, self.expiring.kind, self.expiring.identity


def find_candidates(
    outcomes: Iterable[CheckOutcome], snapshots: Mapping[int, Snapshot], days: Sequence[int]
) -> list[ExpiryCandidate]:
    """Items at a threshold that this process has not recorded. Reads no database."""
    found: dict[NoticeKey, ExpiryCandidate] = {}
    for one in outcomes:
        if one.expiring and (reached := expiry.reached_thresholds(one.expiring.expires_ms, one.at_ms, days)):
            candidate = ExpiryCandidate(snapshots[one.series], one.expiring, one.at_ms, reached)
            if reached[0] < _recorded_days.get(candidate.key, expiry.NOTICE_HORIZON_DAYS + 1):
                found[candidate.key] = candidate
    return list(found.values())


def find_over(outcomes: Iterable[CheckOutcome], announced: Mapping[int, str | None]) -> list[CheckOutcome]:
    """The outcomes that show that a notice may be over. Reads no database.

    outcomes   in the order of their slots, without late ones
    announced  series -> the item of its newest open notice
    """
    return [one for one in outcomes if (identity := announced.get(one.series)) and _shows_end(one, identity)]


def _shows_end(outcome: CheckOutcome, identity: str) -> bool:
    if outcome.expiring is None:
        return outcome.status is Status.UP and outcome.code not in INFORMATIONAL
    return outcome.expiring.identity not in {"", identity}


async def close_over(outcomes: Sequence[CheckOutcome], snapshots: Mapping[int, Snapshot]) -> list[Event]:
    """Close the notices that these outcomes show to be over; returns their events. Inside the caller's transaction."""
    monitors = {snapshots[one.series].monitor_id: _about(snapshots[one.series]) for one in outcomes}
    rows = [(snapshots[one.series].monitor_id, *_end_seen(one.expiring), one.at_ms) for one in outcomes]
    at_ms = {snapshots[one.series].monitor_id: one.at_ms for one in outcomes}
    return [
        _cleared_event(one, monitors[one[0]["monitor_id"]], at_ms[one[0]["monitor_id"]]) for one in await _close(rows)
    ]


async def close_for_monitor(monitor: Monitor, kind: EventKind, now_ms: int) -> list[Event]:
    """Close the notices of a monitor that is deleted; returns their events. Inside the caller's transaction.

    kind    the event that ends them
    """
    about = {"id": monitor.id, "name": monitor.name, "type": monitor.type}
    closed = await _close([(monitor.id, *_end_seen(None), now_ms)])
    return [_cleared_event(one, about, now_ms, ended_by=str(kind)) for one in closed]


def _end_seen(item: ExpiringItem | None) -> tuple[str, str, int]:
    """Kind, identity and end of the item that replaces others; empty: all are over."""
    return (item.kind, item.identity, item.expires_ms) if item else ("", "", 0)


async def _close(rows: Sequence[Any]) -> list[list[Any]]:
    """Close notices; returns the closed ones of each item, the oldest first."""
    by_item: dict[NoticeKey, list[Any]] = {}
    for row in await db.rows(_CLOSE, _encoded(rows)):
        by_item.setdefault((row["monitor_id"], row["kind"], row["identity"]), []).append(row)
    if by_item:
        await mark_series({monitor_id for monitor_id, _, _ in by_item})
    return [sorted(found, key=lambda row: row["at_ms"]) for found in by_item.values()]


async def record_notices(candidates: Sequence[ExpiryCandidate]) -> list[Event]:
    """Store notices and return the events of new ones; inside the caller's transaction."""
    if not candidates:
        return []
    known = [one for one in await _with_known_certificates(candidates) if one.expiring.identity]
    rows = [
        (*one.key, days, one.expiring.name, one.expiring.issuer, one.expiring.expires_ms, one.at_ms)
        for one in known
        for days in one.thresholds
    ]
    inserted = await db.rows(
        "INSERT INTO expiry_notices (monitor_id, kind, identity, days, name, issuer, ends_ms, at_ms)"
        " SELECT m.id, each.value->>1, each.value->>2, CAST(each.value->>3 AS INTEGER), each.value->>4,"
        " each.value->>5, CAST(each.value->>6 AS BIGINT), CAST(each.value->>7 AS BIGINT)"
        " FROM {each:1} JOIN monitors m ON m.id = each.value->>0 WHERE TRUE"
        " ON CONFLICT (monitor_id, kind, identity, days) DO NOTHING RETURNING monitor_id, kind, identity, days",
        _encoded(rows),
    )
    new = {(row["monitor_id"], row["kind"], row["identity"], row["days"]) for row in inserted}
    if new:
        await mark_series({row["monitor_id"] for row in inserted})
    return [_event_of(one) for one in known if (*one.key, one.thresholds[0]) in new]


async def mark_series(monitor_ids: Iterable[str]) -> None:
    """Note the newest open notice of each monitor in its series; inside the caller's transaction."""
    await db.rows(_SET_EXPIRING, list_parameter(monitor_ids))


def remember_recorded(candidates: Iterable[ExpiryCandidate]) -> None:
    """Skip these from now on; call it after the commit."""
    if len(_recorded_days) > CACHE_LIMIT:
        _recorded_days.clear()
    for one in candidates:
        monitor_id, kind, identity = one.key
        if identity:
            _recorded_days.pop((monitor_id, kind, ""), None)  # a certificate is there again: its expiry is a new event
        _recorded_days[one.key] = one.thresholds[0]


def clear_cache() -> None:
    """Clear the cache, for another database."""
    _recorded_days.clear()


async def _with_known_certificates(candidates: Sequence[ExpiryCandidate]) -> list[ExpiryCandidate]:
    """The candidates; an expired certificate that a handshake did not show becomes the last known one."""
    unidentified = [one for one in candidates if not one.expiring.identity]
    if not unidentified:
        return list(candidates)
    found = await db.rows(
        "SELECT monitor_id, identity, name, issuer, ends_ms FROM expiry_notices WHERE kind = 'certificate'"
        " AND monitor_id IN (SELECT value->>0 FROM {each:1}) ORDER BY ends_ms",
        list_parameter(one.snapshot.monitor_id for one in unidentified),
    )
    known = {row["monitor_id"]: row for row in found}
    expired = [
        msgspec.structs.replace(
            one, expiring=ExpiringItem("certificate", row["identity"], row["name"], row["issuer"], row["ends_ms"])
        )
        for one in unidentified
        if (row := known.get(one.snapshot.monitor_id)) and row["ends_ms"] <= one.at_ms
    ]
    return [one for one in candidates if one.expiring.identity] + expired


def _event_of(candidate: ExpiryCandidate) -> Event:
    """The notice's event. `days` is 0 on the last day and negative once the item has expired."""
    item, snapshot, at_ms = candidate.expiring, candidate.snapshot, candidate.at_ms
    certificate = {"issuer": item.issuer, "fingerprint": item.identity} if item.kind == "certificate" else None
    data: dict[str, Any] = {
        "monitor": _about(snapshot),
        "name": item.name or snapshot.name,
        "expires_at": clock.instant(item.expires_ms),
        "days": expiry.days_left(item.expires_ms, at_ms),
        **(certificate or {"registrar": item.issuer}),
    }
    return Event(
        id=str(uuid4()),
        event=_EVENT_KINDS[item.kind],
        at=clock.instant(at_ms),
        monitor_id=snapshot.monitor_id,
        data=data,
    )


def _cleared_event(notices: Sequence[Any], monitor: dict[str, Any], at_ms: int, **facts: Any) -> Event:
    """The event that an item's notices are over, with what identifies the item as in the notices.

    notices    rows, the oldest first
    """
    first = notices[0]
    identity = {"fingerprint": first["identity"]} if first["kind"] == "certificate" else {}
    return outbox.cleared_event(
        monitor,
        first["kind"],
        first["at_ms"],
        at_ms,
        name=first["name"] or monitor["name"],
        expires_at=clock.instant(first["ends_ms"]),
        **identity,
        **facts,
    )


def _about(snapshot: Snapshot) -> dict[str, Any]:
    return {"id": snapshot.monitor_id, "name": snapshot.name, "type": type_of(snapshot.target)}


def _encoded(rows: Sequence[Any]) -> str:
    return _json.encode(rows).decode()
