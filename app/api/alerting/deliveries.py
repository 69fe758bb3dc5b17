"""Deliveries over HTTP: which channel was sent which event, which was not and why, and sending it again."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import structlog
from litestar import Controller, Request, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import UNSET, Meta, Struct
from msgspec.structs import replace
from redis.exceptions import RedisError

from app import queue
from app.api.http import pagination, query_params
from app.api.http.errors import request_id_of
from app.api.http.pagination import Limit, ListRequest, Order, Page
from app.api.http.rate_limits import RUN_LIMIT
from app.security.auth.policy import OPERATOR, VIEWER
from app.store.alerting import delivery_queries, delivery_resend
from app.store.alerting.delivery_queries import END_MS, DeliveryQuery
from schema.deliveries import Delivery, DeliveryDetail, DeliveryState, ResendRequest, ResendResult
from schema.events import EventKind
from schema.pagination import Pagination
from schema.status import Role
from schema.users import Principal

log = structlog.get_logger()

Sort = Literal["created_at", "event_at", "sent_at"]
StateFilter = Annotated[
    DeliveryState | None, QueryParameter(name="state", description="Only deliveries in this state.")
]
Since = Annotated[
    datetime | None,
    QueryParameter(name="from", description="Only deliveries created at or after this time (RFC 3339)."),
]
Until = Annotated[
    datetime | None, QueryParameter(name="to", description="Only deliveries created before this time (RFC 3339).")
]


class Deliveries(Struct, frozen=True):
    """The first deliveries, at most 1,000."""

    deliveries: list[Delivery]
    total: Annotated[int, Meta(description="Counted up to 100,000.")]


class DeliveryPage(Struct, frozen=True):
    """One page of a list."""

    data: list[Delivery]
    pagination: Pagination


async def filters(  # noqa: PLR0913, PLR0917  # query parameters
    principal: NamedDependency[Principal],
    channel_id: FromQuery[UUID | None] = None,
    monitor_id: FromQuery[UUID | None] = None,
    incident_id: FromQuery[UUID | None] = None,
    event: FromQuery[EventKind | None] = None,
    delivery_state: StateFilter = None,
    since: Since = None,
    until: Until = None,
) -> DeliveryQuery:
    """The filters from the query parameters. Raises Invalid."""
    return DeliveryQuery(
        channel_id=_id_text(channel_id),
        monitor_id=_id_text(monitor_id),
        incident_id=_id_text(incident_id),
        event=event,
        state=delivery_state,
        from_ms=query_params.instant_ms("from", since, 0),
        to_ms=query_params.instant_ms("to", until, END_MS),
        visible_to=principal.tags,
        names_webhooks=_sees_webhooks(principal),
    )


async def list_request(
    filters: NamedDependency[DeliveryQuery],
    page: Page = None,
    limit: Limit = None,
    sort: FromQuery[Sort] = "created_at",
    order: FromQuery[Order] = "desc",
) -> ListRequest[DeliveryQuery]:
    """The filters with the order and the requested page."""
    window = pagination.window_of(page, limit)
    query = replace(filters, sort=sort, **window.part(order))
    return ListRequest(query, window)


class DeliveryController(Controller):
    """Events on their way to channels."""

    path = "/deliveries"
    tags = ("Deliveries",)
    guards = (VIEWER,)

    @get(
        operation_id="ListDeliveries", dependencies={"filters": Provide(filters), "list_request": Provide(list_request)}
    )
    async def list_deliveries(
        self, list_request: NamedDependency[ListRequest[DeliveryQuery]]
    ) -> Deliveries | DeliveryPage:
        """List deliveries, newest first unless you send `sort`. `state=dead` lists those that failed for good."""
        found, total = (
            await delivery_queries.list_page(list_request.query),
            await delivery_queries.count(list_request.query),
        )
        return list_request.reply(found, total, Deliveries, DeliveryPage)

    @post("/resend", operation_id="ResendDeliveries", guards=[OPERATOR], status_code=200, opt=RUN_LIMIT)
    async def resend_deliveries(
        self, data: JSONBody[ResendRequest], principal: NamedDependency[Principal], request: Request[Any, Any, Any]
    ) -> ResendResult:
        """Send dead deliveries again, the oldest first, at most 1,000 at once; each keeps its id."""
        query = DeliveryQuery(
            channel_id=data.channel_id,
            monitor_id=data.monitor_id,
            incident_id=data.incident_id,
            event=data.event,
            visible_to=principal.tags,
        )
        found = await delivery_resend.resend_dead(query, () if data.ids is UNSET else data.ids)
        await _queue_deliveries(found, request_id_of(request))
        return ResendResult(sum(len(ids) for ids in found.values()))

    @get("/{delivery_id:str}", operation_id="GetDelivery")
    async def get_delivery(self, delivery_id: FromPath[UUID], principal: NamedDependency[Principal]) -> DeliveryDetail:
        """Get one delivery with its event and every attempt."""
        return await delivery_queries.get(str(delivery_id), principal.tags, names_webhooks=_sees_webhooks(principal))

    @post("/{delivery_id:str}/resend", operation_id="ResendDelivery", guards=[OPERATOR], status_code=200, opt=RUN_LIMIT)
    async def resend_delivery(
        self, delivery_id: FromPath[UUID], principal: NamedDependency[Principal], request: Request[Any, Any, Any]
    ) -> Delivery:
        """Send a finished delivery again. It keeps its id, by which a receiver may drop it as a duplicate."""
        found = await delivery_resend.resend(str(delivery_id), principal.tags)
        await _queue_deliveries({found.channel_id: [found.id]}, request_id_of(request))
        return found


async def _queue_deliveries(found: Mapping[str, Sequence[str]], request_id: str) -> None:
    """Queue deliveries for the workers; when Redis is unavailable, the sweep finds them in the database."""
    jobs = queue.notify_jobs({channel_id: list(ids) for channel_id, ids in found.items()})
    try:
        await queue.put(*(replace(job, request_id=request_id) for job in jobs))
    except RedisError as error:
        log.warning("delivery.enqueue_failed", n=len(jobs), error=type(error).__name__)


def _sees_webhooks(principal: Principal) -> bool:
    """Whether `/webhooks` is open to the caller, so that their names may be shown."""
    return principal.role.covers(Role.OPERATOR)


def _id_text(id_: UUID | None) -> str | None:
    return None if id_ is None else str(id_)
