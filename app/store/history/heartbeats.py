"""The read path of heartbeats: newest first, by ranges of their keys, never by scanning the table.

A heartbeat's key sorts by series, then by time: the newest of one monitor are one seek away, the newest of all monitors
are not. A list of all monitors therefore walks back through time in bands. Each band is one seek per series; the first
is about as wide as the page needs, each further one four times as wide. Such a list looks back an hour, or a day for
important heartbeats, which have an index, so that a filter without matches ends, too. The list of one monitor reaches
back to its first heartbeat.
A total counts up to `COUNT_LIMIT`; beyond it, use the cursor instead of page numbers.
Written as SQL: joins over JSON arrays, and series that are visible, which is a subquery.
"""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from app import clock, db
from app.domain.monitoring.judge import heartbeat_message
from app.errors import Invalid
from app.store import visibility
from app.store.sql import list_parameter
from app.store.tables.heartbeats import IMPORTANT, RAW_STATUS_SHIFT, HeartbeatRow
from app.store.visibility import TagScope
from schema.heartbeats import EPOCH_MS, SERIES_SHIFT, Heartbeat, heartbeat_key, slot_of_key
from schema.status import Status

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
COUNT_LIMIT = 100_000  # a few milliseconds of counting
FIRST_BAND_MS = 60_000  # per requested heartbeat and series: the default interval
NARROWEST_MS = 10_000
RANGE_TOO_LONG = (
    "must be at most one hour before `to`, or one day with `important=true`, unless you filter by `monitor_id`"
)
BAND_GROWTH = 4
TIME_MASK = (1 << SERIES_SHIFT) - 1  # the time part of a key
END_KEY = (1 << 63) - 1

_ROWS = "h.id, h.status, h.flags, h.took_us, h.code"
_BAND = (
    " WHERE h.id BETWEEN CAST(each.value->>0 AS BIGINT) * 2199023255552 + ?2"
    " AND CAST(each.value->>0 AS BIGINT) * 2199023255552 + ?3"
    " AND (CAST(?4 AS INTEGER) IS NULL OR (CAST(?4 AS INTEGER) >> h.status) & 1 = 1)"  # bits of the requested statuses
)
_IMPORTANCE = {None: "", True: " AND h.flags % 2 = 1", False: " AND h.flags % 2 = 0"}  # as in the partial index
_BEFORE = " AND ((h.id & 2199023255551) < ?6 OR ((h.id & 2199023255551) = ?6 AND h.id < ?7))"
_NEWEST_FIRST = " ORDER BY (h.id & 2199023255551) DESC, h.id DESC"
_LIMIT = " LIMIT ?5"
_COUNT = "SELECT count(*) AS n FROM (…) AS counted"


class HeartbeatQuery(Struct, frozen=True, kw_only=True):
    """Which heartbeats.

    statuses          any of these; empty: all
    lookback_ms       how far a list of all monitors goes back from its end, milliseconds; None: to the first heartbeat
    from_ms, to_ms    epoch milliseconds, both inclusive
    cursor            the id of the last heartbeat of the previous page
    skip              heartbeats to skip, for page numbers
    visible_to        as in `app.store.visibility`
    """

    monitor_id: str | None = None
    statuses: frozenset[Status] = frozenset()
    lookback_ms: int | None = HOUR_MS
    important: bool | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    cursor: str | None = None
    limit: int = 20
    skip: int = 0
    visible_to: TagScope = None


class HeartbeatRecord(Struct, frozen=True):
    """A stored heartbeat, with the columns of `HeartbeatRow`."""

    id: int
    status: int
    flags: int
    took_us: int
    code: int


class SeriesRange(Struct, frozen=True):
    """The series and the time that a query reads; milliseconds since EPOCH_MS, both inclusive."""

    monitor_ids: dict[int, str]  # by series
    first: int
    last: int


async def list_page(query: HeartbeatQuery) -> tuple[list[Heartbeat], str | None]:
    """One page of heartbeats, newest first, and the cursor of the next page. Raises Invalid."""
    span = await _range_of(query)
    found = await _walk(query, span, query.skip + query.limit + 1)
    page = found[query.skip : query.skip + query.limit]
    has_more = len(found) > query.skip + query.limit
    beats = await _with_details(page, span.monitor_ids)
    return beats, beats[-1].id if has_more and beats else None


async def get(series: int, at_ms: int, visible_to: TagScope = None) -> Heartbeat | None:
    """The heartbeat of one slot; None when there is none, or it is not visible."""
    row = await HeartbeatRow.select().where(HeartbeatRow.id == heartbeat_key(series, at_ms)).first()
    if row is None:
        return None
    beats = await _with_details([HeartbeatRecord(**row)], await _visible_series(None, visible_to, series))
    return beats[0] if beats else None


async def count(query: HeartbeatQuery) -> int:
    """How many heartbeats match, ignoring cursor and page, up to `COUNT_LIMIT`. Raises Invalid."""
    span = await _range_of(msgspec.structs.replace(query, cursor=None))
    select = _COUNT.replace("…", _select_by_series("h.id", _BAND + _IMPORTANCE[query.important]) + _LIMIT)
    counted = await db.rows(
        select, list_parameter(span.monitor_ids), span.first, span.last, _status_bits(query.statuses), COUNT_LIMIT
    )
    return int(counted[0]["n"])


def _select_by_series(columns: str, conditions: str) -> str:
    """A SELECT of each series' matching heartbeats that seeks once per series on either engine.

    PostgreSQL would otherwise scan the table, since it does not see that the ranges are narrow; a lateral query with an
    order and a limit prevents that. SQLite has no lateral queries, and keeps the order of a CROSS JOIN.
    """
    if db.is_sqlite():
        return f"SELECT {columns} FROM {{each:1}} CROSS JOIN heartbeats h{conditions}"
    inner = f"SELECT {columns} FROM heartbeats h{conditions} ORDER BY h.id DESC{_LIMIT}"
    return f"SELECT {columns} FROM {{each:1}} CROSS JOIN LATERAL ({inner}) h"


async def _range_of(query: HeartbeatQuery) -> SeriesRange:
    """What to read. Raises Invalid for an unknown cursor, or too long a time of all monitors."""
    position, _ = _position_of(query.cursor)
    now = _relative(clock.now_ms())
    last = min(
        TIME_MASK, position, now + DAY_MS if query.to_ms is None else _relative(query.to_ms)
    )  # clocks may differ
    lookback_ms = DAY_MS if query.important else query.lookback_ms
    earliest = 0 if query.monitor_id or lookback_ms is None else max(0, min(last, now) - lookback_ms)
    first = earliest if query.from_ms is None else max(0, _relative(query.from_ms))
    if first < earliest:
        raise Invalid.for_field("from", RANGE_TOO_LONG)
    return SeriesRange(await _visible_series(query.monitor_id, query.visible_to), first, last)


def _status_bits(statuses: Iterable[Status]) -> int | None:
    """Statuses as a bit mask; None: all."""
    return sum(1 << status for status in statuses) or None


def _relative(epoch_ms: int) -> int:
    return epoch_ms - EPOCH_MS


def _position_of(cursor: str | None) -> tuple[int, int]:
    """Time and key of the last heartbeat before the page; without a cursor, later than any."""
    if cursor is None:
        return TIME_MASK, END_KEY
    try:
        key = int(cursor, 16)
    except ValueError:
        key = -1
    if not 0 <= key < END_KEY:
        raise Invalid.for_field("cursor", "must be the `next_cursor` of a page")
    return key & TIME_MASK, key


async def _visible_series(monitor_id: str | None, visible_to: TagScope, series: int | None = None) -> dict[int, str]:
    """Monitor ids by series, of visible monitors that are not deleted: of one monitor, one series, or all."""
    found = await db.rows(
        "SELECT no, monitor_id FROM series WHERE deleted_ms IS NULL"
        " AND (CAST(?1 AS TEXT) IS NULL OR monitor_id = CAST(?1 AS TEXT))"
        " AND (CAST(?2 AS BIGINT) IS NULL OR no = CAST(?2 AS BIGINT))"
        f" AND {visibility.visible_monitors_sql('monitor_id', 3)}",
        monitor_id,
        series,
        visibility.tags_parameter(visible_to),
    )
    return {row["no"]: row["monitor_id"] for row in found}


async def _walk(query: HeartbeatQuery, span: SeriesRange, limit: int) -> list[HeartbeatRecord]:
    """The newest `limit` heartbeats, band after band back in time."""
    select = _select_by_series(_ROWS, _BAND + _IMPORTANCE[query.important] + _BEFORE) + _NEWEST_FIRST + _LIMIT
    series, position = list_parameter(span.monitor_ids), _position_of(query.cursor)
    found: list[HeartbeatRecord] = []
    for first, last in _bands(span, max(NARROWEST_MS, FIRST_BAND_MS * limit // max(1, len(span.monitor_ids)))):
        left = limit - len(found)
        rows = await db.rows(select, series, first, last, _status_bits(query.statuses), left, *position)
        found += [HeartbeatRecord(**row) for row in rows]
        if len(found) >= limit:
            break
    return found


def _bands(span: SeriesRange, width_ms: int) -> Iterable[tuple[int, int]]:
    """Adjacent bands of time, newest first, each four times as wide as the previous one."""
    last = min(span.last, _relative(clock.now_ms()))
    if last < span.last:
        yield last + 1, span.last  # slots of a clock that is ahead of ours
    while span.monitor_ids and last >= span.first:
        first = max(span.first, last - width_ms + 1)
        yield first, last
        last, width_ms = first - 1, width_ms * BAND_GROWTH


async def _with_details(records: Sequence[HeartbeatRecord], monitor_ids: dict[int, str]) -> list[Heartbeat]:
    """Heartbeats of visible series, with their messages and details."""
    found = await db.rows(
        "SELECT id, message, detail FROM heartbeat_details WHERE id IN (SELECT CAST(value->>0 AS BIGINT) FROM"
        " {each:1})",
        list_parameter(record.id for record in records),
    )
    texts = {row["id"]: (row["message"], row["detail"]) for row in found}
    return [
        _heartbeat_of(record, monitor_ids, *texts.get(record.id, ("", "")))
        for record in records
        if slot_of_key(record.id)[0] in monitor_ids
    ]


def _heartbeat_of(record: HeartbeatRecord, monitor_ids: dict[int, str], message: str, detail: str) -> Heartbeat:
    series, at_ms = slot_of_key(record.id)
    status, raw_status = Status(record.status), Status(record.flags >> RAW_STATUS_SHIFT)
    return Heartbeat(
        id=f"{record.id:x}",
        monitor_id=monitor_ids[series],
        status=status,
        raw_status=raw_status,
        time=clock.instant(at_ms),
        ping=record.took_us / 1000 if record.took_us else None,
        msg=heartbeat_message(status, raw_status, message, record.code),
        important=bool(record.flags & IMPORTANT),
        detail=msgspec.json.decode(detail) if detail else None,
    )
