"""Notification channels over HTTP: how people are told."""

from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, patch, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Struct

from app.api.alerting import channel_tests, providers, template_preview
from app.api.alerting.providers import Providers
from app.api.http import audit_trail, etags, pagination
from app.api.http.errors import request_id_of
from app.api.http.pagination import Asked, Limit, Order, Page, Search
from app.api.http.rate_limits import RUNNING
from app.domain.system import audit_destinations
from app.security.auth.policy import ADMIN, OPERATOR, VIEWER
from app.security.secrets import config_views
from app.store.alerting import channel_health, channels
from app.store.alerting.channels import ChannelQuery
from schema.channels import PROVIDERS, Channel, ChannelDraft, ChannelPatch
from schema.pagination import Pagination
from schema.previews import Preview, PreviewDraft, Variables
from schema.users import Principal

VERSIONED, SENDING = {"refusals": [412]}, {"refusals": [502], **RUNNING}
Sort = Literal["name", "created_at", "updated_at"]
if TYPE_CHECKING:
    ChannelType = str
else:
    ChannelType = Literal[tuple(PROVIDERS)]  # every type there is; only the running program knows them


class Channels(Struct, frozen=True, kw_only=True):
    """A whole list; `total` may be more than it holds, which ends at 1,000."""

    notification_channels: list[Channel]
    total: int


class ChannelPage(Struct, frozen=True, kw_only=True):
    """One page of a list."""

    data: list[Channel]
    pagination: Pagination


class Tested(Struct, frozen=True):
    """The test arrived at the provider."""

    ok: bool
    message: str


SENT = Tested(ok=True, message="The test was delivered.")


async def asked(  # noqa: PLR0913, PLR0917  # query parameters
    principal: NamedDependency[Principal],
    page: Page = None,
    limit: Limit = None,
    q: Search = None,
    type: FromQuery[ChannelType | None] = None,  # noqa: A002  # its name on the wire
    active: FromQuery[bool | None] = None,
    sort: FromQuery[Sort] = "name",
    order: FromQuery[Order] = "asc",
) -> Asked[ChannelQuery]:
    """Which channels are asked for."""
    window, descending = pagination.window_of(page, limit), order == "desc"
    query = ChannelQuery(
        q=q,
        type=type,
        active=active,
        sort=sort,
        descending=descending,
        limit=window.limit,
        offset=window.skip,
        seen_by=principal.tags,
    )
    return Asked(query, window)


class ChannelController(Controller):
    """How people are told."""

    path = "/notification-channels"
    tags = ("Notification channels",)
    guards = (VIEWER,)
    dependencies = {"wanted": Provide(asked), "version": Provide(etags.if_match)}  # noqa: RUF012  # Litestar's way

    @get(operation_id="ListChannels")
    async def browse(
        self, wanted: NamedDependency[Asked[ChannelQuery]], principal: NamedDependency[Principal]
    ) -> Channels | ChannelPage:
        """List channels: by name unless `sort` says otherwise, paged when `page` or `limit` is given."""
        found, total = await channels.browse(wanted.query)
        found = config_views.visible_to(principal, found)
        if wanted.window.page is None:
            return Channels(notification_channels=found, total=total)
        return ChannelPage(data=found, pagination=pagination.numbers(wanted.window, total))

    @get("/providers", operation_id="ListProviders", sync_to_thread=False)
    def providers(self) -> Providers:
        """Every provider with its fields: their types, which are required, which are secret."""
        return providers.catalogue()

    @get("/variables", operation_id="ListTemplateVariables", sync_to_thread=False)
    def variables(self) -> Variables:
        """Every name that a template can use, with its meaning and an example."""
        return template_preview.variables()

    @post("/preview", operation_id="PreviewTemplates", guards=[OPERATOR], status_code=200, sync_to_thread=True)
    def preview(self, data: JSONBody[PreviewDraft]) -> Preview:
        """Try templates on an example of an event; nothing is sent, and nothing kept. 422 names what can't be read."""
        return template_preview.of(data)

    @post(operation_id="CreateChannel", guards=[ADMIN])
    async def add(self, data: JSONBody[ChannelDraft]) -> Response[Channel]:
        """Add a channel. Its secrets are never shown again."""
        return etags.tagged(await channels.add(data), status_code=201)

    @post("/test", operation_id="TestChannelDraft", guards=[ADMIN], status_code=200, opt=SENDING)
    async def test_draft(self, data: JSONBody[ChannelDraft], request: Request[Any, Any, Any]) -> Tested:
        """Send a test through a channel that is not kept. Waits until the provider took it: 502 says why it did not."""
        audit_trail.of(request).connects(audit_destinations.of(data.config))
        channel_id = await channels.add_trial(data)
        try:
            await channel_tests.run(channel_id, request_id_of(request))
        finally:
            await channels.remove_trial(channel_id)
        return SENT

    @get("/{channel_id:str}", operation_id="GetChannel")
    async def read(self, channel_id: FromPath[UUID], principal: NamedDependency[Principal]) -> Response[Channel]:
        """Read one channel."""
        (channel,) = config_views.visible_to(principal, [await channels.read(str(channel_id), principal.tags)])
        return etags.tagged(channel)

    @patch("/{channel_id:str}", operation_id="UpdateChannel", guards=[ADMIN], opt=VERSIONED)
    async def change(
        self, channel_id: FromPath[UUID], data: JSONBody[ChannelPatch], version: NamedDependency[int | None]
    ) -> Response[Channel]:
        """Change what is mentioned; `config` is replaced whole, and `********` in it keeps the stored secret."""
        return etags.tagged(await channels.change(str(channel_id), data, version=version))

    @put("/{channel_id:str}", operation_id="PutChannel", guards=[ADMIN], opt=VERSIONED)
    async def merge(
        self, channel_id: FromPath[UUID], data: JSONBody[ChannelPatch], version: NamedDependency[int | None]
    ) -> Response[Channel]:
        """Update a channel, as PATCH does: absent fields stay."""
        return etags.tagged(await channels.change(str(channel_id), data, version=version))

    @delete("/{channel_id:str}", operation_id="DeleteChannel", guards=[ADMIN], opt=VERSIONED)
    async def remove(self, channel_id: FromPath[UUID], version: NamedDependency[int | None]) -> None:
        """Delete a channel; its monitors stay and no longer tell it."""
        await channels.remove(str(channel_id), version=version)

    @post("/{channel_id:str}/test", operation_id="TestChannel", guards=[OPERATOR], status_code=200, opt=SENDING)
    async def test(self, channel_id: FromPath[UUID], request: Request[Any, Any, Any]) -> Tested:
        """Send a test. Waits until the provider took it: 502 says why it did not, 503 that no worker answered."""
        await channels.read(str(channel_id))
        await channel_tests.run(str(channel_id), request_id_of(request))
        return SENT

    @post("/{channel_id:str}/resume", operation_id="ResumeChannel", guards=[OPERATOR], status_code=200)
    async def resume(self, channel_id: FromPath[UUID]) -> Response[Channel]:
        """Tell a channel again that rests or is paused. What died meanwhile is sent by `POST /deliveries/resend`."""
        await channel_health.resume(str(channel_id))
        return etags.tagged(await channels.read(str(channel_id)))
