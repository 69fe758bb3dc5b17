"""Webhooks over HTTP, by which programs subscribe to events."""

from typing import Annotated, Any, Literal
from uuid import UUID

import structlog
from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Struct
from redis.exceptions import RedisError

from app import queue
from app.api.alerting import channel_tests
from app.api.http import audit_trail, etags, pagination
from app.api.http.errors import request_id_of
from app.api.http.pagination import Limit, ListRequest, Order, Page, Search
from app.api.http.rate_limits import RUN_LIMIT
from app.api.http.updates import update
from app.security.auth.policy import ADMIN, OPERATOR
from app.store.alerting import webhook_deliveries, webhooks
from app.store.alerting.channel_tests import sample_event
from app.store.alerting.webhook_deliveries import WebhookDeliveryQuery
from app.store.alerting.webhooks import WebhookQuery
from app.store.versions import ExpectedVersion
from schema.jobs import NotifyBatch
from schema.pagination import Pagination
from schema.webhooks import (
    WebhookDelivery,
    WebhookDraft,
    WebhookEndpoint,
    WebhookPatch,
    WebhookSecret,
    WebhookTestRequest,
)

VERSIONED, SENDING, RESENDING = {"refusals": [412]}, {"refusals": [502], **RUN_LIMIT}, {"refusals": [409], **RUN_LIMIT}
Sort = Literal["name", "created_at", "updated_at"]
WebhookDeliveryState = Literal["pending", "sending", "sent", "dead", "suppressed"]
# Litestar reserves the parameter name `state`.
StateFilter = Annotated[WebhookDeliveryState | None, QueryParameter(name="state")]

log = structlog.get_logger()


class Webhooks(Struct, frozen=True):
    """The whole list, up to 1,000 items. `total` counts all of them."""

    webhooks: list[WebhookEndpoint]
    total: int


class WebhookPage(Struct, frozen=True):
    """One page of a list."""

    data: list[WebhookEndpoint]
    pagination: Pagination


class WebhookDeliveries(Struct, frozen=True):
    """The whole list, up to 1,000 items. `total` counts all of them."""

    deliveries: list[WebhookDelivery]
    total: int


class WebhookDeliveryPage(Struct, frozen=True):
    """One page of a list."""

    data: list[WebhookDelivery]
    pagination: Pagination


class WebhookTestResult(Struct, frozen=True):
    """The receiver accepted the sample event."""

    ok: bool
    message: str


async def list_request(
    page: Page = None,
    limit: Limit = None,
    q: Search = None,
    active: FromQuery[bool | None] = None,
    sort: FromQuery[Sort] = "name",
    order: FromQuery[Order] = "asc",
) -> ListRequest[WebhookQuery]:
    """The requested webhooks, from the query parameters."""
    window = pagination.window_of(page, limit)
    query = WebhookQuery(q=q, active=active, sort=sort, **window.part(order))
    return ListRequest(query, window)


async def deliveries_request(
    page: Page = None,
    limit: Limit = None,
    delivery_state: StateFilter = None,
    order: FromQuery[Order] = "desc",
) -> ListRequest[WebhookDeliveryQuery]:
    """The requested deliveries of a webhook, from the query parameters."""
    window = pagination.window_of(page, limit)
    query = WebhookDeliveryQuery(state=delivery_state, **window.part(order))
    return ListRequest(query, window)


class WebhookController(Controller):
    """Programs that subscribe to events, and their deliveries."""

    path = "/webhooks"
    tags = ("Webhooks",)
    guards = (OPERATOR,)
    dependencies = {"version": Provide(etags.if_match)}  # noqa: RUF012  # Litestar's way

    @get(operation_id="ListWebhooks", dependencies={"list_request": Provide(list_request)})
    async def list_webhooks(self, list_request: NamedDependency[ListRequest[WebhookQuery]]) -> Webhooks | WebhookPage:
        """List webhooks, by name unless you send `sort`, paged when `page` or `limit` is given."""
        found, total = await webhooks.list_page(list_request.query)
        return list_request.reply(found, total, Webhooks, WebhookPage)

    @post(operation_id="CreateWebhook", guards=[ADMIN])
    async def create_webhook(self, data: JSONBody[WebhookDraft]) -> Response[WebhookEndpoint]:
        """Register a webhook. Without a `secret` one is generated. Only this reply shows it."""
        return etags.with_etag(await webhooks.create(data), status_code=201)

    @get("/{webhook_id:str}", operation_id="GetWebhook")
    async def get_webhook(self, webhook_id: FromPath[UUID]) -> Response[WebhookEndpoint]:
        """Get one webhook with its health."""
        return etags.with_etag(await webhooks.get(str(webhook_id)))

    @update("/{webhook_id:str}", "Webhook", guards=[ADMIN], opt=VERSIONED)
    async def update_webhook(
        self, webhook_id: FromPath[UUID], data: JSONBody[WebhookPatch], version: NamedDependency[ExpectedVersion]
    ) -> Response[WebhookEndpoint]:
        """Update a webhook. Absent fields stay; secrets are only kept for the same host. A disabled one is retried."""
        return etags.with_etag(await webhooks.update(str(webhook_id), data, version=version))

    @delete("/{webhook_id:str}", operation_id="DeleteWebhook", guards=[ADMIN], opt=VERSIONED)
    async def delete_webhook(
        self,
        request: Request[Any, Any, Any],
        webhook_id: FromPath[UUID],
        version: NamedDependency[ExpectedVersion],
    ) -> None:
        """Delete a webhook. Pending deliveries are suppressed; `/deliveries` keeps all, with its name."""
        audit_trail.trail_of(request).record_deleted(await webhooks.delete(str(webhook_id), version=version))

    @post("/{webhook_id:str}/rotate-secret", operation_id="RotateWebhookSecret", guards=[ADMIN], status_code=200,
          opt=VERSIONED)  # fmt: skip
    async def rotate_webhook_secret(
        self, webhook_id: FromPath[UUID], version: NamedDependency[ExpectedVersion]
    ) -> WebhookSecret:
        """Create a new secret, which only this reply shows. The old one also signs for another day."""
        return await webhooks.rotate_secret(str(webhook_id), version=version)

    @get("/{webhook_id:str}/deliveries", operation_id="ListWebhookDeliveries",
         dependencies={"list_request": Provide(deliveries_request)})  # fmt: skip
    async def list_webhook_deliveries(
        self, webhook_id: FromPath[UUID], list_request: NamedDependency[ListRequest[WebhookDeliveryQuery]]
    ) -> WebhookDeliveries | WebhookDeliveryPage:
        """List the deliveries of a webhook with their outcome, newest first."""
        await webhooks.get(str(webhook_id))
        found, total = await webhook_deliveries.list_page(str(webhook_id), list_request.query)
        return list_request.reply(found, total, WebhookDeliveries, WebhookDeliveryPage)

    @post("/{webhook_id:str}/deliveries/{delivery_id:str}/redeliver", operation_id="ResendWebhookDelivery",
          status_code=202, opt=RESENDING)  # fmt: skip
    async def resend_webhook_delivery(
        self, webhook_id: FromPath[UUID], delivery_id: FromPath[UUID], request: Request[Any, Any, Any]
    ) -> WebhookDelivery:
        """Send a delivery again, with the same id and the same bytes. 409 while it is being sent."""
        found = await webhook_deliveries.resend(str(webhook_id), str(delivery_id))
        try:
            await queue.put(NotifyBatch({str(webhook_id): [found.id]}, request_id_of(request)))
        except RedisError as error:  # the sweep finds it
            log.warning("delivery.enqueue_failed", delivery=found.id, error=type(error).__name__)
        return found

    @post("/{webhook_id:str}/test", operation_id="TestWebhook", status_code=200, opt=SENDING)
    async def test_webhook(
        self,
        webhook_id: FromPath[UUID],
        request: Request[Any, Any, Any],
        data: JSONBody[WebhookTestRequest | None] = None,
    ) -> WebhookTestResult:
        """Send a sample event. Waits for the receiver; a 502 says why it failed."""
        await webhooks.get(str(webhook_id))
        example = sample_event((data or WebhookTestRequest()).event)
        await channel_tests.send_test(str(webhook_id), request_id_of(request), example)
        return WebhookTestResult(ok=True, message="The test was delivered.")
