"""Queries of incidents: pages, and metrics such as MTTA and MTTR. Each costs one or two statements.

Written as SQL: CTEs and window functions.
"""

from functools import cache
from typing import Any

from piccolo.query.base import FrozenQuery

from app import db
from app.store import visibility
from app.store.incidents.incident_rows import SELECT_INCIDENTS, incident_of, stored_incident, visible_incidents_sql
from app.store.listing import Listing, ListQuery
from app.store.tables.incidents import IncidentRow
from app.store.visibility import TagScope
from schema.incidents import Incident, IncidentKind, IncidentMetrics, IncidentStatus

SORTS = {
    "started_at": "i.started_ms",
    "detected_at": "i.detected_ms",
    "resolved_at": "COALESCE(i.resolved_ms, 9007199254740991)",  # open incidents sort last
    "title": "lower(i.title)",
}
END_MS = 2**62

_STATUS = (
    "CASE WHEN i.resolved_ms IS NOT NULL THEN 'resolved' WHEN i.acknowledged_ms IS NOT NULL THEN 'acknowledged'"
    " ELSE 'open' END"
)
_FILTERS = (
    f" WHERE (CAST(?1 AS TEXT) IS NULL OR {_STATUS} = CAST(?1 AS TEXT))"
    " AND (CAST(?2 AS TEXT) IS NULL OR i.monitor_id = CAST(?2 AS TEXT))"
    " AND (CAST(?3 AS TEXT) IS NULL OR i.kind = CAST(?3 AS TEXT))"
    f" AND i.started_ms >= ?4 AND i.started_ms < ?5 AND {visible_incidents_sql(6)}"
)
_LISTING = Listing(
    select=SELECT_INCIDENTS, count="SELECT count(*) AS n FROM incidents i", filters=_FILTERS, sorts=SORTS, key="i.id"
)
# the median: the middle row, or the mean of the two in the middle, since SQLite has no percentiles
_MEDIAN = "WHERE place * 2 IN (n, n + 1, n + 2)"
_METRICS = (
    "WITH chosen AS (SELECT i.* FROM incidents i {filters}),"
    " answered AS (SELECT {answered} AS ms, row_number() OVER (ORDER BY {answered}) AS place, count(*) OVER () AS n"
    " FROM chosen WHERE acknowledged_ms IS NOT NULL),"
    " ended AS (SELECT {ended} AS ms, row_number() OVER (ORDER BY {ended}) AS place, count(*) OVER () AS n"
    " FROM chosen WHERE resolved_ms IS NOT NULL)"
    " SELECT (SELECT count(*) FROM chosen) AS found, (SELECT count(*) FROM answered) AS answered,"
    " (SELECT count(*) FROM ended) AS ended, (SELECT avg(ms) FROM answered) AS mtta,"
    " (SELECT avg(ms) FROM answered {middle}) AS mtta_median, (SELECT avg(ms) FROM ended) AS mttr,"
    " (SELECT avg(ms) FROM ended {middle}) AS mttr_median,"
    " (SELECT max(COALESCE(resolved_ms, CAST(?7 AS BIGINT)) - started_ms) FROM chosen) AS longest"
).format(
    filters=_FILTERS,
    answered="(acknowledged_ms - detected_ms)",
    ended="(resolved_ms - started_ms)",
    middle=_MEDIAN,
)


class IncidentQuery(ListQuery, frozen=True, kw_only=True):
    """Which incidents to list, in which order.

    from_ms, to_ms  range of start times; `to_ms` is excluded
    sort            one of `SORTS`
    visible_to      as in `app.store.visibility`
    """

    status: IncidentStatus | None = None
    monitor_id: str | None = None
    kind: IncidentKind | None = None
    from_ms: int = 0
    to_ms: int = END_MS
    sort: str = "started_at"
    descending: bool = True
    visible_to: TagScope = None


async def list_page(query: IncidentQuery) -> tuple[list[Incident], int]:
    """One page of incidents, and the total count."""
    found, total = await _LISTING.read(query, _arguments(query))
    return [incident_of(stored_incident(row)) for row in found], total


async def get_metrics(query: IncidentQuery, now_ms: int) -> IncidentMetrics:
    """Metrics of the matching incidents."""
    (row,) = await db.rows(_METRICS, *_arguments(query), now_ms)
    return IncidentMetrics(
        count=row["found"],
        open=row["found"] - row["ended"],
        acknowledged=row["answered"],
        resolved=row["ended"],
        mtta=_seconds(row["mtta"]),
        mtta_median=_seconds(row["mtta_median"]),
        mttr=_seconds(row["mttr"]),
        mttr_median=_seconds(row["mttr_median"]),
        longest=_seconds(row["longest"]),
    )


async def count_open() -> int:
    """How many incidents are not resolved."""
    return int(await _open_incidents().run())


@cache
def _open_incidents() -> FrozenQuery:
    return IncidentRow.count().where(IncidentRow.resolved_ms.is_null()).freeze()


def _arguments(query: IncidentQuery) -> tuple[Any, ...]:
    status, kind = query.status and query.status.value, query.kind and query.kind.value
    return (status, query.monitor_id, kind, query.from_ms, query.to_ms, visibility.tags_parameter(query.visible_to))


def _seconds(ms: Any) -> float | None:
    """Milliseconds as seconds; PostgreSQL's averages are decimals."""
    return None if ms is None else max(0.0, round(float(ms) / 1000, 3))
