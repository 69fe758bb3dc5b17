"""Heartbeats over HTTP: of one monitor, or of all."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Controller, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, QueryParameter
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from app import clock
from app.api.http import pagination
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
    str | None, QueryParameter(max_length=16, pattern="^[0-9a-f]+$", description="`next_cursor` of the page before.")
]
Since = Annotated[datetime | None, QueryParameter(name="from", description="RFC 3339; the oldest due time.")]
Until = Annotated[datetime | None, QueryParameter(name="to", description="RFC 3339; the newest due time.")]


class Heartbeats(Struct, frozen=True, kw_only=True):
    """The newest heartbeats, at most 1,000."""

    heartbeats: list[Heartbeat]
    total: Annotated[int, Meta(description="Counted up to 100,000.")]
    next_cursor: str | None


class HeartbeatPage(Struct, frozen=True, kw_only=True):
    """One page. A page that a cursor led to has no numbers."""

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
    """Which heartbeats are asked for. Raises Invalid."""
    window = pagination.window_of(page, limit)
    if cursor is not None and window.offset:
        raise Invalid.for_field("page", "must not be given with a `cursor`")
    query = HeartbeatQuery(
        statuses=pagination.parse_statuses(status),
        important=important,
        from_ms=_ms_of("from", since),
        to_ms=_ms_of("to", until),
        cursor=cursor,
        limit=window.limit,
        skip=window.offset,
        visible_to=principal.tags,
    )
    return ListRequest(query, window)


def _ms_of(name: str, at: datetime | None) -> int | None:
    """Epoch milliseconds of an instant that says its zone; None stays None. Raises Invalid."""
    if at is not None and at.tzinfo is None:
        raise Invalid.for_field(name, "must have a zone, such as 2026-01-31T12:00:00Z")
    return None if at is None else clock.epoch_ms(at)


async def load_page(query: HeartbeatQuery, window: Window) -> Heartbeats | HeartbeatPage:
    """The answer in the form that was asked for. Raises Invalid."""
    found, more = await heartbeats.list_page(query)
    if query.cursor is not None:
        return HeartbeatPage(data=found, next_cursor=more)
    total = await heartbeats.count(query)
    if window.page is None:
        return Heartbeats(heartbeats=found, total=total, next_cursor=more)
    return HeartbeatPage(data=found, pagination=pagination.page_info(window, total), next_cursor=more)


class HeartbeatController(Controller):
    """What was seen, newest first."""

    tags = ("Heartbeats",)
    guards = (VIEWER,)
    dependencies = {"wanted": Provide(list_request)}  # noqa: RUF012  # Litestar's way

    @get("/heartbeats", operation_id="ListHeartbeats")
    async def list_heartbeats(
        self,
        wanted: NamedDependency[ListRequest[HeartbeatQuery]],
        monitor_id: FromQuery[UUID | None] = None,
    ) -> Heartbeats | HeartbeatPage:
        """Newest heartbeats of all monitors: an hour, or a day of important ones; of one monitor without that limit."""
        return await load_page(replace(wanted.query, monitor_id=monitor_id and str(monitor_id)), wanted.window)

    @get("/monitors/{monitor_id:str}/heartbeats", operation_id="ListMonitorHeartbeats")
    async def list_monitor_heartbeats(
        self, monitor_id: FromPath[UUID], wanted: NamedDependency[ListRequest[HeartbeatQuery]]
    ) -> Heartbeats | HeartbeatPage:
        """Heartbeats of one monitor."""
        await monitors.get(str(monitor_id), wanted.query.visible_to)
        return await load_page(replace(wanted.query, monitor_id=str(monitor_id)), wanted.window)
