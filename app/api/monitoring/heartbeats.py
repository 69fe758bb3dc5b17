"""Heartbeats over HTTP, of one monitor or of all."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Controller, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, QueryParameter
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from app.api.http import pagination, query_params
from app.api.http.pagination import Limit, ListRequest, Page, StatusFilter, Window
from app.errors import Invalid
from app.security.auth.policy import VIEWER
from app.store.history import heartbeats
from app.store.history.heartbeats import HeartbeatQuery
from app.store.transactions import monitors
from schema.heartbeats import Heartbeat
from schema.pagination import Pagination
from schema.users import Principal

Cursor = Annotated[
    str | None,
    QueryParameter(max_length=16, pattern="^[0-9a-f]+$", description="The `next_cursor` of the previous page."),
]
Since = Annotated[
    datetime | None, QueryParameter(name="from", description="Only heartbeats due at or after this time (RFC 3339).")
]
Until = Annotated[
    datetime | None, QueryParameter(name="to", description="Only heartbeats due at or before this time (RFC 3339).")
]


class Heartbeats(Struct, frozen=True, kw_only=True):
    """The newest heartbeats, at most 1,000."""

    heartbeats: list[Heartbeat]
    total: Annotated[int, Meta(description="Counted up to 100,000.")]
    next_cursor: str | None


class HeartbeatPage(Struct, frozen=True, kw_only=True):
    """One page. A page that was requested with a cursor has no page numbers."""

    data: list[Heartbeat]
    pagination: Pagination | UnsetType = UNSET
    next_cursor: str | None


async def list_request(  # noqa: PLR0913, PLR0917  # query parameters
    principal: NamedDependency[Principal],
    page: Page = None,
    limit: Limit = None,
    status: FromQuery[StatusFilter | None] = None,
    important: FromQuery[bool | None] = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
) -> ListRequest[HeartbeatQuery]:
    """The requested heartbeats, from the query parameters. Raises Invalid."""
    window = pagination.window_of(page, limit)
    if cursor is not None and window.offset:
        raise Invalid.for_field("page", "must not be given with a `cursor`")
    query = HeartbeatQuery(
        statuses=pagination.parse_statuses(status),
        important=important,
        from_ms=query_params.instant_ms("from", since, None),
        to_ms=query_params.instant_ms("to", until, None),
        cursor=cursor,
        limit=window.limit,
        skip=window.offset,
        visible_to=principal.tags,
    )
    return ListRequest(query, window)


async def load_page(query: HeartbeatQuery, window: Window) -> Heartbeats | HeartbeatPage:
    """The heartbeats as a whole list, a numbered page or a cursor's page, as requested. Raises Invalid."""
    found, next_cursor = await heartbeats.list_page(query)
    if query.cursor is not None:
        return HeartbeatPage(data=found, next_cursor=next_cursor)
    total = await heartbeats.count(query)
    if window.page is None:
        return Heartbeats(heartbeats=found, total=total, next_cursor=next_cursor)
    return HeartbeatPage(data=found, pagination=pagination.page_info(window, total), next_cursor=next_cursor)


class HeartbeatController(Controller):
    """Stored results with their status, newest first."""

    tags = ("Heartbeats",)
    guards = (VIEWER,)
    dependencies = {"list_request": Provide(list_request)}  # noqa: RUF012  # Litestar's way

    @get("/heartbeats", operation_id="ListHeartbeats")
    async def list_heartbeats(
        self,
        list_request: NamedDependency[ListRequest[HeartbeatQuery]],
        monitor_id: FromQuery[UUID | None] = None,
    ) -> Heartbeats | HeartbeatPage:
        """List the newest heartbeats. Those of all monitors reach back an hour, important ones a day; those of one
        monitor have no such limit.
        """
        return await load_page(
            replace(list_request.query, monitor_id=monitor_id and str(monitor_id)), list_request.window
        )

    @get("/monitors/{monitor_id:str}/heartbeats", operation_id="ListMonitorHeartbeats")
    async def list_monitor_heartbeats(
        self, monitor_id: FromPath[UUID], list_request: NamedDependency[ListRequest[HeartbeatQuery]]
    ) -> Heartbeats | HeartbeatPage:
        """List the heartbeats of one monitor."""
        await monitors.get(str(monitor_id), list_request.query.visible_to)
        return await load_page(replace(list_request.query, monitor_id=str(monitor_id)), list_request.window)
