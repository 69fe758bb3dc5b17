"""Heartbeats as they are read: newest first, by ranges of their keys, never by scanning the table.

A heartbeat's key sorts by series and then by time, so the newest of one monitor are one seek away, and the newest of
all are not. A list over all monitors therefore walks back through time in bands: each band is one seek per series,
the first is about as wide as the page needs, each further one four times as wide. Such a list looks back over an
hour, or a day of important ones, which have an index: so a filter that nothing matches ends too. The list of one
monitor reaches back to its beginning.
A total counts to `COUNTED_MOST` and no further: beyond it, a cursor goes on where page numbers end.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from time import time
from typing import Any

import msgspec
from msgspec import Struct

from app import db
from app.domain.monitoring import upside_down
from app.errors import Invalid
from app.store import visibility
from app.store.sql import listed
from app.store.tables.heartbeats import IMPORTANT, SEEN_SHIFT
from app.store.visibility import Seeing
from schema.heartbeats import EPOCH_MS, SERIES_SHIFT, Heartbeat, key_of, slot_of
from schema.status import Status

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
COUNTED_MOST = 100_000  # a few milliseconds of counting
FIRST_BAND_MS = 60_000  # per wanted heartbeat and series: the usual interval
NARROWEST_MS = 10_000
TOO_LONG = (
    "must be at most one hour before `to`, or a day with `important=true`; with a `monitor_id` it may be any time."
)
WIDENING = 4
TIME = (1 << SERIES_SHIFT) - 1  # the part of a key that is time
END_KEY = (1 << 63) - 1

_ROWS = "h.id, h.status, h.flags, h.took_us, h.code"
_BAND = (
    " WHERE h.id BETWEEN CAST(each.value->>0 AS BIGINT) * 2199023255552 + ?2"
    " AND CAST(each.value->>0 AS BIGINT) * 2199023255552 + ?3"
    " AND (CAST(?4 AS INTEGER) IS NULL OR (CAST(?4 AS INTEGER) >> h.status) & 1 = 1)"  # the bits of the wanted ones
)
_IMPORTANCE = {None: "", True: " AND h.flags % 2 = 1", False: " AND h.flags % 2 = 0"}  # as the partial index says it
_BEFORE = " AND ((h.id & 2199023255551) < ?6 OR ((h.id & 2199023255551) = ?6 AND h.id < ?7))"
_NEWEST_FIRST = " ORDER BY (h.id & 2199023255551) DESC, h.id DESC"
_MOST = " LIMIT ?5"
_ONE = "SELECT id, status, flags, took_us, code FROM heartbeats WHERE id = ?1"
_COUNTED = "SELECT count(*) AS n FROM (…) AS counted"


class HeartbeatQuery(Struct, frozen=True, kw_only=True):
    """Which heartbeats.

    statuses          any of these; empty: of all
    reach_ms          how far a list of all monitors may go back from its end, milliseconds; None: to the beginning
    from_ms, to_ms    epoch milliseconds, both ends included
    cursor            the id of the last heartbeat of the page before
    skip              heartbeats to leave out first; for page numbers
    seen_by           as in `app.store.visibility`
    """

    monitor_id: str | None = None
    statuses: frozenset[Status] = frozenset()
    reach_ms: int | None = HOUR_MS
    important: bool | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    cursor: str | None = None
    limit: int = 20
    skip: int = 0
    seen_by: Seeing = None


class Span(Struct, frozen=True):
    """What a query comes down to: these series, from here to there, both ends included, milliseconds since EPOCH_MS."""

    owners: dict[int, str]  # monitor ids by series
    first: int
    last: int


async def browse(query: HeartbeatQuery) -> tuple[list[Heartbeat], str | None]:
    """Heartbeats, newest first, and the cursor of the next page if there is one. Raises Invalid."""
    span = await _span_of(query)
    found = await _walk(query, span, query.skip + query.limit + 1)
    page = found[query.skip : query.skip + query.limit]
    more = len(found) > query.skip + query.limit
    beats = await _shown(page, span.owners)
    return beats, beats[-1].id if more and beats else None


async def read(series: int, at_ms: int, seen_by: Seeing = None) -> Heartbeat | None:
    """The heartbeat of one slot; None when there is none (yet), or none that is seen."""
    found = await db.rows(_ONE, key_of(series, at_ms))
    shown = await _shown(found, (await _owners(None, seen_by, series)) if found else {})
    return shown[0] if shown else None


async def count(query: HeartbeatQuery) -> int:
    """How many there are without regard to cursor and page, up to `COUNTED_MOST`. Raises Invalid."""
    span = await _span_of(msgspec.structs.replace(query, cursor=None))
    sought = _COUNTED.replace("…", _sought("h.id", _BAND + _IMPORTANCE[query.important]) + _MOST)
    counted = await db.rows(sought, listed(span.owners), span.first, span.last, _bits(query.statuses), COUNTED_MOST)
    return int(counted[0]["n"])


def _sought(columns: str, conditions: str) -> str:
    """Each series' heartbeats that meet the conditions: one seek a series, which each engine has to be told its way.

    PostgreSQL would rather read the whole table than believe that the ranges are narrow; a lateral query with an
    order and a limit leaves it no choice. SQLite has none of those, and keeps the order of a CROSS JOIN.
    """
    if db.is_sqlite():
        return f"SELECT {columns} FROM {{each:1}} CROSS JOIN heartbeats h{conditions}"
    inner = f"SELECT {columns} FROM heartbeats h{conditions} ORDER BY h.id DESC{_MOST}"
    return f"SELECT {columns} FROM {{each:1}} CROSS JOIN LATERAL ({inner}) h"


async def _span_of(query: HeartbeatQuery) -> Span:
    """Where to look. Raises Invalid for a cursor that is none of ours, and for too long a time of all monitors."""
    at, _ = _place_of(query.cursor)
    now = _relative(int(time() * 1000))
    last = min(TIME, at, now + DAY_MS if query.to_ms is None else _relative(query.to_ms))  # clocks may differ
    reach_ms = DAY_MS if query.important else query.reach_ms
    reach = 0 if query.monitor_id or reach_ms is None else max(0, min(last, now) - reach_ms)
    first = reach if query.from_ms is None else max(0, _relative(query.from_ms))
    if first < reach:
        raise Invalid.one("from", TOO_LONG)
    return Span(await _owners(query.monitor_id, query.seen_by), first, last)


def _bits(statuses: Iterable[Status]) -> int | None:
    """Statuses as the bits of a number; None stands for all of them."""
    return sum(1 << status for status in statuses) or None


def _relative(epoch_ms: int) -> int:
    return epoch_ms - EPOCH_MS


def _place_of(cursor: str | None) -> tuple[int, int]:
    """The time and the key of the heartbeat before the page; without a cursor one that is newer than any."""
    if cursor is None:
        return TIME, END_KEY
    try:
        key = int(cursor, 16)
    except ValueError:
        key = -1
    if not 0 <= key < END_KEY:
        raise Invalid.one("cursor", "must be the `next_cursor` of a page")
    return key & TIME, key


async def _owners(monitor_id: str | None, seen_by: Seeing, series: int | None = None) -> dict[int, str]:
    """Series that still have a monitor, and one that is seen: one monitor's, a single one, or all."""
    found = await db.rows(
        "SELECT no, monitor_id FROM series WHERE deleted_ms IS NULL"
        " AND (CAST(?1 AS TEXT) IS NULL OR monitor_id = CAST(?1 AS TEXT))"
        " AND (CAST(?2 AS BIGINT) IS NULL OR no = CAST(?2 AS BIGINT))"
        f" AND {visibility.of_monitors('monitor_id', 3)}",
        monitor_id,
        series,
        visibility.argument(seen_by),
    )
    return {row["no"]: row["monitor_id"] for row in found}


async def _walk(query: HeartbeatQuery, span: Span, wanted: int) -> list[Any]:
    """Rows of the newest `wanted` heartbeats, band after band back in time."""
    sought = _sought(_ROWS, _BAND + _IMPORTANCE[query.important] + _BEFORE) + _NEWEST_FIRST + _MOST
    series, place = listed(span.owners), _place_of(query.cursor)
    found: list[Any] = []
    for first, last in _bands(span, max(NARROWEST_MS, FIRST_BAND_MS * wanted // max(1, len(span.owners)))):
        found += await db.rows(sought, series, first, last, _bits(query.statuses), wanted - len(found), *place)
        if len(found) >= wanted:
            break
    return found


def _bands(span: Span, width_ms: int) -> Iterable[tuple[int, int]]:
    """Neighbouring stretches of time, the newest first, each four times as wide as the one before."""
    last = min(span.last, _relative(int(time() * 1000)))
    if last < span.last:
        yield last + 1, span.last  # slots of a clock that is ahead of ours
    while span.owners and last >= span.first:
        first = max(span.first, last - width_ms + 1)
        yield first, last
        last, width_ms = first - 1, width_ms * WIDENING


async def _shown(rows: Sequence[Any], owners: dict[int, str]) -> list[Heartbeat]:
    """Heartbeats as people see them, with the words and facts that were kept of some."""
    kept = await db.rows(
        "SELECT id, message, detail FROM details WHERE id IN (SELECT CAST(value->>0 AS BIGINT) FROM {each:1})",
        listed(row["id"] for row in rows),
    )
    details = {row["id"]: row for row in kept}
    return [_heartbeat_of(row, owners, details.get(row["id"])) for row in rows if slot_of(row["id"])[0] in owners]


def _heartbeat_of(row: Any, owners: dict[int, str], kept: Any | None) -> Heartbeat:
    series, at_ms = slot_of(row["id"])
    status, seen = Status(row["status"]), Status(row["flags"] >> SEEN_SHIFT)
    return Heartbeat(
        id=f"{row['id']:x}",
        monitor_id=owners[series],
        status=status,
        raw_status=seen,
        time=datetime.fromtimestamp(at_ms / 1000, UTC),
        ping=row["took_us"] / 1000 if row["took_us"] else None,
        msg=upside_down.message_of(status, seen, kept["message"] if kept else "", row["code"]),
        important=bool(row["flags"] & IMPORTANT),
        detail=msgspec.json.decode(kept["detail"]) if kept and kept["detail"] else None,
    )
