"""Results over HTTP: heartbeats in the form of document 002."""

from datetime import UTC, datetime, timedelta
from time import time
from typing import Annotated
from uuid import UUID

from litestar import Controller, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, QueryParameter
from msgspec.structs import replace

from app import clock, response_cache
from app.api.http import pagination
from app.api.http.pagination import Window
from app.domain.compat import field_names
from app.errors import Invalid
from app.security.auth.policy import VIEWER
from app.store.history import heartbeats, result_queries
from app.store.history.heartbeats import COUNT_LIMIT, DAY_MS, HeartbeatQuery
from app.store.transactions import monitors
from app.store.visibility import TagScope
from schema.heartbeats import Heartbeat
from schema.pagination import pagination_of
from schema.results import RESULT_STATUSES, Period, Result, Results, ResultShare, ResultStatus, ResultSummary
from schema.users import Principal

PERIOD_DAYS: dict[Period, int] = {"day": 1, "week": 7, "month": 30}
RANGE_TOO_LONG = "must be at most one day before `to_date` if you filter by `status` without a `check_id`"

FromDate = Annotated[
    datetime | None,
    QueryParameter(description="Only results executed at or after this time (ISO 8601; UTC without a zone)."),
]
ToDate = Annotated[
    datetime | None, QueryParameter(description="Only results executed at or before this time (ISO 8601).")
]


def result_from_heartbeat(heartbeat: Heartbeat) -> Result:
    """A heartbeat in the form of document 002."""
    return Result(
        id=heartbeat.id,
        check_id=heartbeat.monitor_id,
        status=RESULT_STATUSES[heartbeat.status],
        message=heartbeat.msg,
        response_time=None if heartbeat.ping is None else round(heartbeat.ping / 1000, 6),
        raw_data=field_names.result_facts(heartbeat.detail),
        executed_at=heartbeat.time,
    )


async def heartbeat_query(
    principal: NamedDependency[Principal],
    window: NamedDependency[Window],
    status: FromQuery[ResultStatus | None] = None,
    from_date: FromDate = None,
    to_date: ToDate = None,
) -> HeartbeatQuery:
    """The heartbeats of the requested results, from the query parameters."""
    return HeartbeatQuery(
        statuses=frozenset(one for one, result_status in RESULT_STATUSES.items() if result_status is status),
        lookback_ms=None if status is None else DAY_MS,  # a rare status may be far back among the results of all checks
        from_ms=_epoch_ms(from_date),
        to_ms=_epoch_ms(to_date),
        limit=window.limit,
        skip=window.offset,
        visible_to=principal.tags,
    )


def _epoch_ms(at: datetime | None) -> int | None:
    """Epoch milliseconds; an instant without a zone counts as UTC, None stays None."""
    if at is None:
        return None
    return clock.epoch_ms(at if at.tzinfo else at.replace(tzinfo=UTC))


async def cached_page(query: HeartbeatQuery, window: Window) -> Results:
    """A page of results, cached. Raises Invalid."""
    return await response_cache.get_or_compute("results", (query, window), Results, lambda: _load_page(query, window))


async def _load_page(query: HeartbeatQuery, window: Window) -> Results:
    try:
        found = [] if query.skip >= COUNT_LIMIT else (await heartbeats.list_page(query))[0]
        total = await heartbeats.count(query)
    except Invalid as refusal:
        raise Invalid.for_field("from_date", RANGE_TOO_LONG) from refusal
    return Results(
        results=[result_from_heartbeat(heartbeat) for heartbeat in found],
        page=window.page or 1,
        per_page=window.limit,
        total=total,
        pages=pagination_of(1, window.limit, total).pages,
    )


async def _load_summary(period: Period, visible_to: TagScope) -> ResultSummary:
    to_date = datetime.fromtimestamp(int(time()), UTC)
    from_date = to_date - timedelta(days=PERIOD_DAYS[period])
    window = range(clock.epoch_ms(from_date), clock.epoch_ms(to_date) + 1000)
    counts = await result_queries.count_by_status(window, visible_to)
    total = sum(counts.values())
    by_result_status = {
        result_status: sum(counts[one] for one in RESULT_STATUSES if RESULT_STATUSES[one] is result_status)
        for result_status in ResultStatus
    }
    return ResultSummary(
        period=period,
        from_date=from_date,
        to_date=to_date,
        total_checks=total,
        statuses={
            name: ResultShare(count, round(100 * count / max(1, total), 1)) for name, count in by_result_status.items()
        },
    )


class ResultController(Controller):
    """Results of checks, newest first."""

    path = "/results"
    tags = ("Results",)
    guards = (VIEWER,)
    dependencies = {"window": Provide(pagination.required_window), "filters": Provide(heartbeat_query)}  # noqa: RUF012  # Litestar's way

    @get(operation_id="ListResults")
    async def list_results(
        self,
        filters: NamedDependency[HeartbeatQuery],
        window: NamedDependency[Window],
        check_id: FromQuery[UUID | None] = None,
    ) -> Results:
        """List results of all checks, or of one. With a `status` and no `check_id` it looks back a day."""
        return await cached_page(replace(filters, monitor_id=check_id and str(check_id)), window)

    @get("/summary", operation_id="GetResultSummary")
    async def get_result_summary(
        self, principal: NamedDependency[Principal], period: FromQuery[Period] = "day"
    ) -> ResultSummary:
        """Count the results of the last day, week (7 days) or month (30 days)."""
        visible_to = principal.tags
        return await response_cache.get_or_compute(
            "summary", (period, visible_to), ResultSummary, lambda: _load_summary(period, visible_to)
        )

    @get("/check/{check_id:str}", operation_id="ListCheckResults")
    async def list_check_results(
        self, check_id: FromPath[UUID], filters: NamedDependency[HeartbeatQuery], window: NamedDependency[Window]
    ) -> Results:
        """List results of one check."""
        await monitors.get(str(check_id), filters.visible_to)
        return await cached_page(replace(filters, monitor_id=str(check_id)), window)

    @get("/{result_id:str}", operation_id="GetResult")
    async def get_result(self, result_id: FromPath[str], principal: NamedDependency[Principal]) -> Result:
        """Get one result."""
        return result_from_heartbeat(await result_queries.get(result_id, principal.tags))
