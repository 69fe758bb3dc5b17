"""Notices that a certificate or a domain ends: each once for a monitor, a certificate (or a domain and its date) and
a number of days. Who comes late to one hears of it once: the wider notices count as given.

What was recorded is remembered by each process, so that a certificate at 20 days costs a statement once and not with
every check.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Struct

from app import clock, db
from app.domain.alerting import expiry
from app.store.sql import list_parameter
from schema.events import Event, EventKind
from schema.jobs import CheckOutcome, ExpiringItem
from schema.monitors import Snapshot

CACHE_LIMIT = 100_000  # then all is forgotten, which costs a statement each

NoticeKey = tuple[str, str, str]  # monitor, kind, and what the certificate or domain is known by

_json = msgspec.json.Encoder()
_recorded_days: dict[NoticeKey, int] = {}  # the tightest threshold that is on record
_EVENT_KINDS = {"certificate": EventKind.CERTIFICATE_EXPIRING, "domain": EventKind.DOMAIN_EXPIRING}


class ExpiryCandidate(Struct, frozen=True):
    """What a monitor's check met that ends soon, and which thresholds it has reached, tightest first."""

    snapshot: Snapshot
    expiring: ExpiringItem
    at_ms: int
    thresholds: list[int]

    @property
    def key(self) -> NoticeKey:
        """What is said of it once."""
        return self.snapshot.monitor_id, self.expiring.kind, self.expiring.identity


def find_candidates(
    outcomes: Iterable[CheckOutcome], snapshots: Mapping[int, Snapshot], days: Sequence[int]
) -> list[ExpiryCandidate]:
    """What has reached a threshold that nobody remembers to be on record. Asks no database."""
    found: dict[NoticeKey, ExpiryCandidate] = {}
    for one in outcomes:
        if one.expiring and (reached := expiry.reached_thresholds(one.expiring.expires_ms, one.at_ms, days)):
            seen = ExpiryCandidate(snapshots[one.series], one.expiring, one.at_ms, reached)
            if reached[0] < _recorded_days.get(seen.key, expiry.NOTICE_HORIZON_DAYS + 1):
                found[seen.key] = seen
    return list(found.values())


async def record_notices(candidates: Sequence[ExpiryCandidate]) -> list[Event]:
    """Put them on record, and say of which nobody was told; inside of the caller's transaction."""
    if not candidates:
        return []
    known = [one for one in await _with_known_certificates(candidates) if one.expiring.identity]
    rows = [(*one.key, days, *_columns_of(one)) for one in known for days in one.thresholds]
    fresh = await db.rows(
        "INSERT INTO expiries (monitor_id, kind, identity, days, name, issuer, ends_ms, at_ms)"
        " SELECT m.id, each.value->>1, each.value->>2, CAST(each.value->>3 AS INTEGER), each.value->>4,"
        " each.value->>5, CAST(each.value->>6 AS BIGINT), CAST(each.value->>7 AS BIGINT)"
        " FROM {each:1} JOIN monitors m ON m.id = each.value->>0 WHERE TRUE"
        " ON CONFLICT (monitor_id, kind, identity, days) DO NOTHING RETURNING monitor_id, kind, identity, days",
        _json.encode(rows).decode(),
    )
    new = {(row["monitor_id"], row["kind"], row["identity"], row["days"]) for row in fresh}
    return [_event_of(one) for one in known if (*one.key, one.thresholds[0]) in new]


def remember_recorded(candidates: Iterable[ExpiryCandidate]) -> None:
    """The transaction is committed: these need not be asked for again."""
    if len(_recorded_days) > CACHE_LIMIT:
        _recorded_days.clear()
    for one in candidates:
        monitor_id, kind, identity = one.key
        if identity:
            _recorded_days.pop((monitor_id, kind, ""), None)  # there is a certificate again; when it ends that is news
        _recorded_days[one.key] = one.thresholds[0]


def clear_cache() -> None:
    """Remember nothing: another database."""
    _recorded_days.clear()


async def _with_known_certificates(candidates: Sequence[ExpiryCandidate]) -> list[ExpiryCandidate]:
    """The same, and for an expired certificate that a handshake did not show, the last one we knew."""
    nameless = [one for one in candidates if not one.expiring.identity]
    if not nameless:
        return list(candidates)
    found = await db.rows(
        "SELECT monitor_id, identity, name, issuer, ends_ms FROM expiries WHERE kind = 'certificate'"
        " AND monitor_id IN (SELECT value->>0 FROM {each:1}) ORDER BY ends_ms",
        list_parameter(one.snapshot.monitor_id for one in nameless),
    )
    known = {row["monitor_id"]: row for row in found}
    ended = [
        msgspec.structs.replace(one, expiring=_expiring_certificate_of(row))
        for one in nameless
        if (row := known.get(one.snapshot.monitor_id)) and row["ends_ms"] <= one.at_ms
    ]
    return [one for one in candidates if one.expiring.identity] + ended


def _expiring_certificate_of(row: Any) -> ExpiringItem:
    return ExpiringItem("certificate", row["identity"], row["name"], row["issuer"], row["ends_ms"])


def _columns_of(one: ExpiryCandidate) -> tuple[str, str, int, int]:
    return one.expiring.name, one.expiring.issuer, one.expiring.expires_ms, one.at_ms


def _event_of(one: ExpiryCandidate) -> Event:
    """The notice. `days` is 0 or less when it has ended."""
    ends, snapshot = one.expiring, one.snapshot
    own = {"issuer": ends.issuer, "fingerprint": ends.identity} if ends.kind == "certificate" else {}
    data: dict[str, Any] = {
        "monitor": {"id": snapshot.monitor_id, "name": snapshot.name, "type": type(snapshot.target).__name__.lower()},
        "name": ends.name or snapshot.name,
        "expires_at": clock.instant(ends.expires_ms),
        "days": expiry.days_left(ends.expires_ms, one.at_ms),
        **(own or {"registrar": ends.issuer}),
    }
    at = clock.instant(one.at_ms)
    return Event(id=str(uuid4()), event=_EVENT_KINDS[ends.kind], at=at, monitor_id=snapshot.monitor_id, data=data)
