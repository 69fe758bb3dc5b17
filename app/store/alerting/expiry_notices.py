"""Expiry notices of certificates and domains: one event per monitor, item and threshold in days.

An item is a certificate, or a domain with its expiry date. When several thresholds are reached at once, there is one
event, for the tightest. Each process remembers what was recorded, so that a certificate at 20 days costs a statement
once and not with every check.
A notice is open until a check of its monitor shows that it is over: another item that expires later, or a passing check
without one, since probes report what expires within `NOTICE_HORIZON_DAYS` only. Each process reads the open notices
every `OPEN_CACHE_S`. Written as SQL: inserts and joins over JSON arrays, and a partial index.
"""

from collections.abc import Iterable, Mapping, Sequence
from time import monotonic
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

OPEN_CACHE_S = 30.0  # how long this process may miss an open notice of another one
CACHE_LIMIT = 100_000  # then the cache is cleared, which costs one statement per item

NoticeKey = tuple[str, str, str]  # monitor, kind, identity of the certificate or domain

_json = msgspec.json.Encoder()
_recorded_days: dict[NoticeKey, int] = {}  # the tightest recorded threshold
_OPEN = (
    "SELECT monitor_id, kind, identity, max(name) AS name, max(ends_ms) AS ends_ms, min(at_ms) AS since_ms"
    " FROM expiry_notices WHERE closed_ms IS NULL GROUP BY monitor_id, kind, identity"
)
_CLOSE = (
    "UPDATE expiry_notices SET closed_ms = CAST(each.value->>3 AS BIGINT) FROM {each:1}"
    " WHERE expiry_notices.monitor_id = each.value->>0 AND expiry_notices.kind = each.value->>1"
    " AND expiry_notices.identity = each.value->>2 AND expiry_notices.closed_ms IS NULL"
    " RETURNING expiry_notices.monitor_id AS monitor_id, expiry_notices.kind AS kind,"
    " expiry_notices.identity AS identity"
)
_EVENT_KINDS = {"certificate": EventKind.CERTIFICATE_EXPIRING, "domain": EventKind.DOMAIN_EXPIRING}


class OpenNotice(Struct, frozen=True):
    """An item whose notice is open, and when its first one was recorded."""

    monitor_id: str
    kind: str
    identity: str
    name: str
    ends_ms: int
    since_ms: int

    def is_over(self, outcome: CheckOutcome) -> bool:
        """Whether this check shows that the item is in use no longer, or was renewed."""
        seen = outcome.expiring
        if outcome.at_ms <= self.since_ms:
            return False
        if seen is None:
            return outcome.status is Status.UP and outcome.code not in INFORMATIONAL
        return seen.kind == self.kind and seen.identity not in {"", self.identity} and seen.expires_ms > self.ends_ms


class _OpenNotices(Struct):
    """The open notices by monitor, as read last, and from which database."""

    engine: Any = None
    by_monitor: dict[str, list[OpenNotice]] = {}
    until: float = 0.0


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


_cache = _OpenNotices()


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


async def find_over(
    outcomes: Iterable[CheckOutcome], snapshots: Mapping[int, Snapshot]
) -> list[tuple[CheckOutcome, OpenNotice]]:
    """Open notices that these checks show to be over, each with the first such check."""
    open_notices = await _open_notices()
    if not open_notices:
        return []
    found: dict[NoticeKey, tuple[CheckOutcome, OpenNotice]] = {}
    for outcome in outcomes:
        for notice in open_notices.get(snapshots[outcome.series].monitor_id, []):
            if notice.is_over(outcome):
                found.setdefault((notice.monitor_id, notice.kind, notice.identity), (outcome, notice))
    return list(found.values())


async def close_over(over: Sequence[tuple[CheckOutcome, OpenNotice]], snapshots: Mapping[int, Snapshot]) -> list[Event]:
    """Close notices and return the events of those that were open; inside the caller's transaction."""
    rows = [(notice.monitor_id, notice.kind, notice.identity, outcome.at_ms) for outcome, notice in over]
    closed = {(row["monitor_id"], row["kind"], row["identity"]) for row in await db.rows(_CLOSE, _encoded(rows))}
    return [
        _cleared_event(notice, _about(snapshots[outcome.series]), outcome.at_ms)
        for outcome, notice in over
        if (notice.monitor_id, notice.kind, notice.identity) in closed
    ]


async def close_for_monitor(monitor: Monitor, kind: EventKind, now_ms: int) -> list[Event]:
    """Close the notices of a monitor that is deleted or begins anew; inside the caller's transaction.

    kind    the event that ends them
    """
    notices = [one for one in await _read_open() if one.monitor_id == monitor.id]
    if notices:
        await db.rows(_CLOSE, _encoded([(one.monitor_id, one.kind, one.identity, now_ms) for one in notices]))
    about = {"id": monitor.id, "name": monitor.name, "type": monitor.type}
    return [_cleared_event(one, about, now_ms, ended_by=str(kind)) for one in notices]


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
    return [_event_of(one) for one in known if (*one.key, one.thresholds[0]) in new]


def remember_recorded(candidates: Iterable[ExpiryCandidate]) -> None:
    """Skip these from now on; call it after the commit."""
    if len(_recorded_days) > CACHE_LIMIT:
        _recorded_days.clear()
    for one in candidates:
        monitor_id, kind, identity = one.key
        if identity:
            _remember_open(one)
            _recorded_days.pop((monitor_id, kind, ""), None)  # a certificate is there again: its expiry is a new event
        _recorded_days[one.key] = one.thresholds[0]


def _remember_open(candidate: ExpiryCandidate) -> None:
    monitor_id, kind, identity = candidate.key
    notices = _cache.by_monitor.setdefault(monitor_id, [])
    if not any((one.kind, one.identity) == (kind, identity) for one in notices):
        item = candidate.expiring
        notices.append(OpenNotice(monitor_id, kind, identity, item.name, item.expires_ms, candidate.at_ms))


def clear_cache() -> None:
    """Clear the caches, for another database."""
    _recorded_days.clear()
    forget_open()


def forget_open() -> None:
    """Read the open notices again before they are used; after the commit of a change to them."""
    _cache.until = 0.0


async def _open_notices() -> dict[str, list[OpenNotice]]:
    """The open notices by monitor, at most OPEN_CACHE_S old."""
    if _cache.engine is not db.engine() or monotonic() >= _cache.until:
        by_monitor: dict[str, list[OpenNotice]] = {}
        for one in await _read_open():
            by_monitor.setdefault(one.monitor_id, []).append(one)
        _cache.engine, _cache.by_monitor, _cache.until = db.engine(), by_monitor, monotonic() + OPEN_CACHE_S
    return _cache.by_monitor


async def _read_open() -> list[OpenNotice]:
    return [msgspec.convert(dict(row), OpenNotice) for row in await db.rows(_OPEN)]


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
    """The notice's event. `days` is 0 or less once the item has expired."""
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


def _cleared_event(notice: OpenNotice, monitor: dict[str, Any], at_ms: int, **facts: Any) -> Event:
    """The event that a notice is over, with what identifies its item as in the notice."""
    identity = {"fingerprint": notice.identity} if notice.kind == "certificate" else {}
    return outbox.cleared_event(
        monitor,
        notice.kind,
        notice.since_ms,
        at_ms,
        name=notice.name or monitor["name"],
        expires_at=clock.instant(notice.ends_ms),
        **identity,
        **facts,
    )


def _about(snapshot: Snapshot) -> dict[str, Any]:
    return {"id": snapshot.monitor_id, "name": snapshot.name, "type": type_of(snapshot.target)}


def _encoded(rows: Sequence[Any]) -> str:
    return _json.encode(rows).decode()
