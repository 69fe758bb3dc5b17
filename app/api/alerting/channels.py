"""Notification channels over HTTP: where people are alerted."""

from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Struct

from app.api.alerting import channel_tests, providers, template_preview
from app.api.alerting.providers import Providers
from app.api.http import audit_trail, etags, pagination
from app.api.http.errors import request_id_of
from app.api.http.pagination import Limit, ListRequest, Order, Page, Search
from app.api.http.rate_limits import RUN_LIMIT
from app.api.http.updates import update
from app.domain.system import audit_destinations
from app.security.auth.policy import ADMIN, OPERATOR, VIEWER
from app.security.secrets import config_views
from app.store.alerting import channel_health, channels
from app.store.alerting.channels import ChannelQuery
from app.store.versions import ExpectedVersion
from schema.channels import PROVIDERS, Channel, ChannelDraft, ChannelPatch
from schema.pagination import Pagination
from schema.previews import TemplatePreview, TemplatePreviewRequest, TemplateVariables
from schema.users import Principal

VERSIONED, SENDING = {"refusals": [412]}, {"refusals": [502], **RUN_LIMIT}
Sort = Literal["name", "created_at", "updated_at"]
if TYPE_CHECKING:
    ChannelType = str
else:
    ChannelType = Literal[tuple(PROVIDERS)]  # every type there is; only the running program knows them


class Channels(Struct, frozen=True):
    """The whole list, up to 1,000 items. `total` counts all of them."""

    notification_channels: list[Channel]
    total: int


class ChannelPage(Struct, frozen=True):
    """One page of a list."""

    data: list[Channel]
    pagination: Pagination


class ChannelTestResult(Struct, frozen=True):
    """The test arrived at the provider; `message` says whether some of several recipients were not reached."""

    ok: bool
    message: str


async def list_request(  # noqa: PLR0913, PLR0917  # query parameters
    principal: NamedDependency[Principal],
    page: Page = None,
    limit: Limit = None,
    q: Search = None,
    type: FromQuery[ChannelType | None] = None,  # noqa: A002  # its name on the wire
    active: FromQuery[bool | None] = None,
    sort: FromQuery[Sort] = "name",
    order: FromQuery[Order] = "asc",
) -> ListRequest[ChannelQuery]:
    """The requested channels, from the query parameters."""
    window = pagination.window_of(page, limit)
    query = ChannelQuery(
        q=q,
        type=type,
        active=active,
        sort=sort,
        **window.part(order),
        visible_to=principal.tags,
    )
    return ListRequest(query, window)


class ChannelController(Controller):
    """Where people are alerted."""

    path = "/notification-channels"
    tags = ("Notification channels",)
    guards = (VIEWER,)
    dependencies = {"list_request": Provide(list_request), "version": Provide(etags.if_match)}  # noqa: RUF012  # Litestar's way

    @get(operation_id="ListChannels")
    async def list_channels(
        self, list_request: NamedDependency[ListRequest[ChannelQuery]], principal: NamedDependency[Principal]
    ) -> Channels | ChannelPage:
        """List channels, by name unless you send `sort`, paged when `page` or `limit` is given."""
        found, total = await channels.list_page(list_request.query)
        found = config_views.configs_visible_to(principal, found)
        return list_request.reply(found, total, Channels, ChannelPage)

    @get("/providers", operation_id="ListProviders", sync_to_thread=False)
    def list_providers(self) -> Providers:
        """List every provider with its fields, their types, and which are required or secret."""
        return providers.catalogue()

    @get("/variables", operation_id="ListTemplateVariables", sync_to_thread=False)
    def list_template_variables(self) -> TemplateVariables:
        """List every variable that templates can use, with its description and an example."""
        return template_preview.list_variables()

    @post("/preview", operation_id="PreviewTemplates", guards=[OPERATOR], status_code=200, sync_to_thread=True)
    def preview_templates(self, data: JSONBody[TemplatePreviewRequest], state: State) -> TemplatePreview:
        """Render templates with a sample event. Nothing is sent or stored; 422 names the templates with errors."""
        return template_preview.render_preview(data, state.settings.tz)

    @post(operation_id="CreateChannel", guards=[ADMIN])
    async def create_channel(self, data: JSONBody[ChannelDraft]) -> Response[Channel]:
        """Create a channel. Its secrets are never shown again."""
        return etags.with_etag(await channels.create(data), status_code=201)

    @post("/test", operation_id="TestChannelDraft", guards=[ADMIN], status_code=200, opt=SENDING)
    async def test_channel_draft(
        self, data: JSONBody[ChannelDraft], request: Request[Any, Any, Any]
    ) -> ChannelTestResult:
        """Send a test through a channel that is not stored. Waits for the provider; a 502 says why it failed."""
        audit_trail.trail_of(request).record_destinations(audit_destinations.destinations_of(data.config))
        channel_id = await channels.create_test_channel(data)
        try:
            not_reached = await channel_tests.send_test(channel_id, request_id_of(request))
        finally:
            await channels.delete_test_channel(channel_id)
        return _test_result(not_reached)

    @get("/{channel_id:str}", operation_id="GetChannel")
    async def get_channel(self, channel_id: FromPath[UUID], principal: NamedDependency[Principal]) -> Response[Channel]:
        """Get one channel."""
        (channel,) = config_views.configs_visible_to(principal, [await channels.get(str(channel_id), principal.tags)])
        return etags.with_etag(channel)

    @update("/{channel_id:str}", "Channel", guards=[ADMIN], opt=VERSIONED)
    async def update_channel(
        self, channel_id: FromPath[UUID], data: JSONBody[ChannelPatch], version: NamedDependency[ExpectedVersion]
    ) -> Response[Channel]:
        """Update a channel. Absent fields stay; `config` is replaced whole, and `********` in it keeps a secret."""
        return etags.with_etag(await channels.update(str(channel_id), data, version=version))

    @delete("/{channel_id:str}", operation_id="DeleteChannel", guards=[ADMIN], opt=VERSIONED)
    async def delete_channel(
        self,
        request: Request[Any, Any, Any],
        channel_id: FromPath[UUID],
        version: NamedDependency[ExpectedVersion],
    ) -> None:
        """Delete a channel; its monitors no longer alert it. Pending deliveries are suppressed; all keep its name."""
        audit_trail.trail_of(request).record_deleted(*await channels.delete(str(channel_id), version=version))

    @post("/{channel_id:str}/test", operation_id="TestChannel", guards=[OPERATOR], status_code=200, opt=SENDING)
    async def test_channel(self, channel_id: FromPath[UUID], request: Request[Any, Any, Any]) -> ChannelTestResult:
        """Send a test. Waits for the provider; a 502 says why it failed, a 503 that no worker sent it."""
        await channels.get(str(channel_id))
        return _test_result(await channel_tests.send_test(str(channel_id), request_id_of(request)))

    @post("/{channel_id:str}/resume", operation_id="ResumeChannel", guards=[OPERATOR], status_code=200)
    async def resume_channel(self, channel_id: FromPath[UUID]) -> Response[Channel]:
        """Resume a channel that is backing off or disabled. `POST /deliveries/resend` sends its dead deliveries."""
        await channel_health.resume(str(channel_id))
        return etags.with_etag(await channels.get(str(channel_id)))


def _test_result(not_reached: str) -> ChannelTestResult:
    where = f", but not to everybody: {not_reached}" if not_reached else ""
    return ChannelTestResult(ok=True, message=f"The test was delivered{where}{'' if where else '.'}")
