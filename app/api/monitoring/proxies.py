"""Proxies over HTTP, through which checks and channels can connect."""

from typing import Any, Literal
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Struct

from app.api.http import audit_trail, etags, pagination
from app.api.http.pagination import Limit, ListRequest, Order, Page, Search
from app.api.http.updates import update
from app.api.monitoring import monitor_changes
from app.security.auth.policy import ADMIN, VIEWER
from app.store.monitoring import proxies
from app.store.monitoring.proxies import ProxyQuery
from app.store.versions import ExpectedVersion
from schema.pagination import Pagination
from schema.proxies import Proxy, ProxyDraft, ProxyPatch, ProxyProtocol
from schema.users import Principal

VERSIONED, IN_USE = {"refusals": [412]}, {"refusals": [409, 412]}
Sort = Literal["name", "created_at", "updated_at"]


class Proxies(Struct, frozen=True):
    """The whole list, up to 1,000 items. `total` counts all of them."""

    proxies: list[Proxy]
    total: int


class ProxyPage(Struct, frozen=True):
    """One page of a list."""

    data: list[Proxy]
    pagination: Pagination


async def list_request(  # noqa: PLR0913, PLR0917  # query parameters
    principal: NamedDependency[Principal],
    page: Page = None,
    limit: Limit = None,
    q: Search = None,
    protocol: FromQuery[ProxyProtocol | None] = None,
    sort: FromQuery[Sort] = "name",
    order: FromQuery[Order] = "asc",
) -> ListRequest[ProxyQuery]:
    """The requested proxies, from the query parameters."""
    window = pagination.window_of(page, limit)
    query = ProxyQuery(
        q=q,
        protocol=protocol,
        sort=sort,
        **window.part(order),
        visible_to=principal.tags,
    )
    return ListRequest(query, window)


class ProxyController(Controller):
    """Proxies through which checks and channels can connect."""

    path = "/proxies"
    tags = ("Proxies",)
    guards = (VIEWER,)
    dependencies = {"list_request": Provide(list_request), "version": Provide(etags.if_match)}  # noqa: RUF012  # Litestar's way

    @get(operation_id="ListProxies")
    async def list_proxies(self, list_request: NamedDependency[ListRequest[ProxyQuery]]) -> Proxies | ProxyPage:
        """List proxies, by name unless you send `sort`, paged when `page` or `limit` is given."""
        found, total = await proxies.list_page(list_request.query)
        return list_request.reply(found, total, Proxies, ProxyPage)

    @post(operation_id="CreateProxy", guards=[ADMIN])
    async def create_proxy(self, data: JSONBody[ProxyDraft]) -> Response[Proxy]:
        """Create a proxy. Its password is never shown again."""
        return etags.with_etag(await proxies.create(data), status_code=201)

    @get("/{proxy_id:str}", operation_id="GetProxy")
    async def get_proxy(self, proxy_id: FromPath[UUID], principal: NamedDependency[Principal]) -> Response[Proxy]:
        """Get one proxy."""
        return etags.with_etag(await proxies.get(str(proxy_id), principal.tags))

    @update("/{proxy_id:str}", "Proxy", guards=[ADMIN], opt=VERSIONED)
    async def update_proxy(
        self, proxy_id: FromPath[UUID], data: JSONBody[ProxyPatch], version: NamedDependency[ExpectedVersion]
    ) -> Response[Proxy]:
        """Update a proxy. Absent fields stay, and `********` keeps the password. Takes effect with the next checks.

        Its address can't change while monitors or channels send secrets through it that it can read; a 409 names them.
        """
        proxy, monitor_ids = await proxies.update(str(proxy_id), data, version=version)
        await monitor_changes.reschedule(monitor_ids)
        return etags.with_etag(proxy)

    @delete("/{proxy_id:str}", operation_id="DeleteProxy", guards=[ADMIN], opt=IN_USE)
    async def delete_proxy(
        self,
        request: Request[Any, Any, Any],
        proxy_id: FromPath[UUID],
        version: NamedDependency[ExpectedVersion],
    ) -> None:
        """Delete a proxy that no monitor, channel or webhook uses."""
        audit_trail.trail_of(request).record_deleted(await proxies.delete(str(proxy_id), version=version))
