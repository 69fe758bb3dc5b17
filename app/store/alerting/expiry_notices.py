"""Notices that a certificate or a domain ends: each once for a monitor, a certificate (or a domain and its date) and
a number of days. Who comes late to one hears of it once: the wider notices count as given.

What was recorded is remembered by each process, so that a certificate at 20 days costs a statement once and not with
every check.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Struct

from app import db
from app.domain.alerting import expiry
from app.store.sql import listed
from schema.events import Event, EventKind
from schema.jobs import Ends, Outcome
from schema.monitors import Snapshot

REMEMBERED = 100_000  # then all is forgotten, which costs a statement each

Identity = tuple[str, str, str]  # monitor, kind, and what the certificate or domain is known by

_json = msgspec.json.Encoder()
_told: dict[Identity, int] = {}  # the tightest threshold that is on record
_KINDS = {"certificate": EventKind.CERTIFICATE_EXPIRING, "domain": EventKind.DOMAIN_EXPIRING}


class Sighting(Struct, frozen=True):
    """What a monitor's check met that ends soon, and which thresholds it has reached, tightest first."""

    snapshot: Snapshot
    ends: Ends
    at_ms: int
    reached: list[int]

    @property
    def identity(self) -> Identity:
        """What is said of it once."""
        return self.snapshot.monitor_id, self.ends.kind, self.ends.identity


def near(outcomes: Iterable[Outcome], snapshots: Mapping[int, Snapshot], days: Sequence[int]) -> list[Sighting]:
    """What has reached a threshold that nobody remembers to be on record. Asks no database."""
    found: dict[Identity, Sighting] = {}
    for one in outcomes:
        if one.ends and (reached := expiry.passed(one.ends.ends_ms, one.at_ms, days)):
            seen = Sighting(snapshots[one.series], one.ends, one.at_ms, reached)
            if reached[0] < _told.get(seen.identity, expiry.FARTHEST_DAYS + 1):
                found[seen.identity] = seen
    return list(found.values())


async def record(sightings: Sequence[Sighting]) -> list[Event]:
    """Put them on record, and say of which nobody was told; inside of the caller's transaction."""
    if not sightings:
        return []
    known = [one for one in await _named(sightings) if one.ends.identity]
    rows = [(*one.identity, days, *_facts(one)) for one in known for days in one.reached]
    fresh = await db.rows(
        "INSERT INTO expiries (monitor_id, kind, identity, days, name, issuer, ends_ms, at_ms)"
        " SELECT m.id, each.value->>1, each.value->>2, CAST(each.value->>3 AS INTEGER), each.value->>4,"
        " each.value->>5, CAST(each.value->>6 AS BIGINT), CAST(each.value->>7 AS BIGINT)"
        " FROM {each:1} JOIN monitors m ON m.id = each.value->>0 WHERE TRUE"
        " ON CONFLICT (monitor_id, kind, identity, days) DO NOTHING RETURNING monitor_id, kind, identity, days",
        _json.encode(rows).decode(),
    )
    new = {(row["monitor_id"], row["kind"], row["identity"], row["days"]) for row in fresh}
    return [_event_of(one) for one in known if (*one.identity, one.reached[0]) in new]


def remember(sightings: Iterable[Sighting]) -> None:
    """The transaction is committed: these need not be asked for again."""
    if len(_told) > REMEMBERED:
        _told.clear()
    for one in sightings:
        monitor_id, kind, identity = one.identity
        if identity:
            _told.pop((monitor_id, kind, ""), None)  # there is a certificate again; when it ends that is news
        _told[one.identity] = one.reached[0]


def forget() -> None:
    """Remember nothing: another database."""
    _told.clear()


async def _named(sightings: Sequence[Sighting]) -> list[Sighting]:
    """The same, and for an expired certificate that a handshake did not show, the last one we knew."""
    nameless = [one for one in sightings if not one.ends.identity]
    if not nameless:
        return list(sightings)
    found = await db.rows(
        "SELECT monitor_id, identity, name, issuer, ends_ms FROM expiries WHERE kind = 'certificate'"
        " AND monitor_id IN (SELECT value->>0 FROM {each:1}) ORDER BY ends_ms",
        listed(one.snapshot.monitor_id for one in nameless),
    )
    known = {row["monitor_id"]: row for row in found}
    ended = [
        msgspec.structs.replace(one, ends=_ends_of(row))
        for one in nameless
        if (row := known.get(one.snapshot.monitor_id)) and row["ends_ms"] <= one.at_ms
    ]
    return [one for one in sightings if one.ends.identity] + ended


def _ends_of(row: Any) -> Ends:
    return Ends("certificate", row["identity"], row["name"], row["issuer"], row["ends_ms"])


def _facts(one: Sighting) -> tuple[str, str, int, int]:
    return one.ends.name, one.ends.issuer, one.ends.ends_ms, one.at_ms


def _event_of(one: Sighting) -> Event:
    """The notice. `days` is 0 or less when it has ended."""
    ends, snapshot = one.ends, one.snapshot
    own = {"issuer": ends.issuer, "fingerprint": ends.identity} if ends.kind == "certificate" else {}
    data: dict[str, Any] = {
        "monitor": {"id": snapshot.monitor_id, "name": snapshot.name, "type": type(snapshot.target).__name__.lower()},
        "name": ends.name or snapshot.name,
        "expires_at": _instant(ends.ends_ms),
        "days": expiry.days_left(ends.ends_ms, one.at_ms),
        **(own or {"registrar": ends.issuer}),
    }
    at = _instant(one.at_ms)
    return Event(id=str(uuid4()), event=_KINDS[ends.kind], at=at, monitor_id=snapshot.monitor_id, data=data)


def _instant(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
