"""Webhooks over HTTP: programs that subscribe to events."""

from typing import Annotated, Any, Literal
from uuid import UUID

import structlog
from litestar import Controller, Request, Response, delete, get, patch, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Struct
from redis.exceptions import RedisError

from app import queue
from app.api.alerting import channel_tests
from app.api.http import etags, pagination
from app.api.http.errors import request_id_of
from app.api.http.pagination import Asked, Limit, Order, Page, Search
from app.api.http.rate_limits import RUNNING
from app.security.auth.policy import ADMIN, OPERATOR
from app.store.alerting import channel_tests as examples, webhook_deliveries, webhooks
from app.store.alerting.webhook_deliveries import DeliveryQuery
from app.store.alerting.webhooks import WebhookQuery
from schema.jobs import NotifyBatch
from schema.pagination import Pagination
from schema.webhooks import RotatedSecret, WebhookDelivery, WebhookDraft, WebhookPatch, WebhookShown, WebhookTest

VERSIONED, SENDING, AGAIN = {"refusals": [412]}, {"refusals": [502], **RUNNING}, {"refusals": [409], **RUNNING}
Sort = Literal["name", "created_at", "updated_at"]
State = Literal["pending", "sending", "sent", "dead", "suppressed"]
InState = Annotated[State | None, QueryParameter(name="state")]  # a word that Litestar keeps for itself

log = structlog.get_logger()


class Webhooks(Struct, frozen=True, kw_only=True):
    """A whole list; `total` may be more than it holds, which ends at 1,000."""

    webhooks: list[WebhookShown]
    total: int


class WebhookPage(Struct, frozen=True, kw_only=True):
    """One page of a list."""

    data: list[WebhookShown]
    pagination: Pagination


class WebhookDeliveries(Struct, frozen=True, kw_only=True):
    """A whole list; `total` may be more than it holds, which ends at 1,000."""

    deliveries: list[WebhookDelivery]
    total: int


class WebhookDeliveryPage(Struct, frozen=True, kw_only=True):
    """One page of a list."""

    data: list[WebhookDelivery]
    pagination: Pagination


class WebhookTested(Struct, frozen=True):
    """The receiver took the example."""

    ok: bool
    message: str


async def asked(
    page: Page = None,
    limit: Limit = None,
    q: Search = None,
    active: FromQuery[bool | None] = None,
    sort: FromQuery[Sort] = "name",
    order: FromQuery[Order] = "asc",
) -> Asked[WebhookQuery]:
    """Which webhooks are asked for."""
    window = pagination.window_of(page, limit)
    query = WebhookQuery(
        q=q, active=active, sort=sort, descending=order == "desc", limit=window.limit, offset=window.skip
    )
    return Asked(query, window)


async def deliveries_asked(
    page: Page = None,
    limit: Limit = None,
    told: InState = None,
    order: FromQuery[Order] = "desc",
) -> Asked[DeliveryQuery]:
    """Which deliveries are asked for."""
    window = pagination.window_of(page, limit)
    query = DeliveryQuery(state=told, descending=order == "desc", limit=window.limit, offset=window.skip)
    return Asked(query, window)


class WebhookController(Controller):
    """Programs that subscribe to events, and what became of each."""

    path = "/webhooks"
    tags = ("Webhooks",)
    guards = (OPERATOR,)
    dependencies = {"version": Provide(etags.if_match)}  # noqa: RUF012  # Litestar's way

    @get(operation_id="ListWebhooks", dependencies={"wanted": Provide(asked)})
    async def browse(self, wanted: NamedDependency[Asked[WebhookQuery]]) -> Webhooks | WebhookPage:
        """List webhooks: by name unless `sort` says otherwise, paged when `page` or `limit` is given."""
        found, total = await webhooks.browse(wanted.query)
        if wanted.window.page is None:
            return Webhooks(webhooks=found, total=total)
        return WebhookPage(data=found, pagination=pagination.numbers(wanted.window, total))

    @post(operation_id="CreateWebhook", guards=[ADMIN])
    async def add(self, data: JSONBody[WebhookDraft]) -> Response[WebhookShown]:
        """Register a webhook. Without a `secret` one is made: the reply is the only one that shows it."""
        return etags.tagged(await webhooks.add(data), status_code=201)

    @get("/{webhook_id:str}", operation_id="GetWebhook")
    async def read(self, webhook_id: FromPath[UUID]) -> Response[WebhookShown]:
        """Read one webhook, and how it fares."""
        return etags.tagged(await webhooks.read(str(webhook_id)))

    @patch("/{webhook_id:str}", operation_id="UpdateWebhook", guards=[ADMIN], opt=VERSIONED)
    async def change(
        self, webhook_id: FromPath[UUID], data: JSONBody[WebhookPatch], version: NamedDependency[int | None]
    ) -> Response[WebhookShown]:
        """Change what is mentioned; secrets stay with the host they were given for. A paused one is tried again."""
        return etags.tagged(await webhooks.change(str(webhook_id), data, version=version))

    @put("/{webhook_id:str}", operation_id="PutWebhook", guards=[ADMIN], opt=VERSIONED)
    async def merge(
        self, webhook_id: FromPath[UUID], data: JSONBody[WebhookPatch], version: NamedDependency[int | None]
    ) -> Response[WebhookShown]:
        """Update a webhook, as PATCH does: absent fields stay."""
        return etags.tagged(await webhooks.change(str(webhook_id), data, version=version))

    @delete("/{webhook_id:str}", operation_id="DeleteWebhook", guards=[ADMIN], opt=VERSIONED)
    async def remove(self, webhook_id: FromPath[UUID], version: NamedDependency[int | None]) -> None:
        """Delete a webhook, and what it is still owed."""
        await webhooks.remove(str(webhook_id), version=version)

    @post("/{webhook_id:str}/rotate-secret", operation_id="RotateWebhookSecret", guards=[ADMIN], status_code=200,
          opt=VERSIONED)  # fmt: skip
    async def rotate(self, webhook_id: FromPath[UUID], version: NamedDependency[int | None]) -> RotatedSecret:
        """Make a new secret: this reply is the only one that shows it. The old one signs beside it for a day."""
        return await webhooks.rotate(str(webhook_id), version=version)

    @get("/{webhook_id:str}/deliveries", operation_id="ListWebhookDeliveries",
         dependencies={"wanted": Provide(deliveries_asked)})  # fmt: skip
    async def deliveries(
        self, webhook_id: FromPath[UUID], wanted: NamedDependency[Asked[DeliveryQuery]]
    ) -> WebhookDeliveries | WebhookDeliveryPage:
        """List what it was sent, newest first, and what came of it."""
        await webhooks.read(str(webhook_id))
        found, total = await webhook_deliveries.browse(str(webhook_id), wanted.query)
        if wanted.window.page is None:
            return WebhookDeliveries(deliveries=found, total=total)
        return WebhookDeliveryPage(data=found, pagination=pagination.numbers(wanted.window, total))

    @post("/{webhook_id:str}/deliveries/{delivery_id:str}/redeliver", operation_id="ResendWebhookDelivery",
          status_code=202, opt=AGAIN)  # fmt: skip
    async def redeliver(
        self, webhook_id: FromPath[UUID], delivery_id: FromPath[UUID], request: Request[Any, Any, Any]
    ) -> WebhookDelivery:
        """Send it again, with the same id and the same bytes: 409 while it is on its way."""
        found = await webhook_deliveries.again(str(webhook_id), str(delivery_id))
        try:
            await queue.put(NotifyBatch(str(webhook_id), [found.id], request_id_of(request)))
        except RedisError as error:  # the sweeper finds it
            log.warning("webhook.not_queued", delivery=found.id, error=type(error).__name__)
        return found

    @post("/{webhook_id:str}/test", operation_id="TestWebhook", status_code=200, opt=SENDING)
    async def test(
        self, webhook_id: FromPath[UUID], request: Request[Any, Any, Any], data: JSONBody[WebhookTest | None] = None
    ) -> WebhookTested:
        """Send an example of an event. Waits until the receiver took it: 502 says why it did not."""
        await webhooks.read(str(webhook_id))
        example = examples.example((data or WebhookTest()).event)
        await channel_tests.run(str(webhook_id), request_id_of(request), example)
        return WebhookTested(ok=True, message="The test was delivered.")
