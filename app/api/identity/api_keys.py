"""API keys over HTTP: users manage their own, admins all; a key is shown once."""

from typing import Any, Literal
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Struct

from app.api.http import audit_trail, etags, pagination
from app.api.http.pagination import Limit, ListRequest, Order, Page, Search
from app.api.http.updates import update
from app.security.auth.policy import VIEWER
from app.store.identity import api_keys
from app.store.identity.api_keys import ApiKeyQuery
from app.store.versions import ExpectedVersion
from schema.api_keys import ApiKey, ApiKeyDraft, ApiKeyPatch, IssuedApiKey
from schema.pagination import Pagination
from schema.users import Principal

VERSIONED = {"refusals": [412]}
AnyRequest = Request[Any, Any, Any]
Sort = Literal["name", "created_at", "updated_at", "last_used_at"]


class ApiKeys(Struct, frozen=True):
    """The whole list, up to 1,000 items. `total` counts all of them."""

    api_keys: list[ApiKey]
    total: int


class ApiKeyPage(Struct, frozen=True):
    """One page of a list."""

    data: list[ApiKey]
    pagination: Pagination


async def list_request(
    page: Page = None,
    limit: Limit = None,
    q: Search = None,
    user_id: FromQuery[UUID | None] = None,
    sort: FromQuery[Sort] = "name",
    order: FromQuery[Order] = "asc",
) -> ListRequest[ApiKeyQuery]:
    """The requested keys, from the query parameters."""
    window = pagination.window_of(page, limit)
    owner_id = str(user_id) if user_id else None
    query = ApiKeyQuery(q=q, user_id=owner_id, sort=sort, **window.part(order))
    return ListRequest(query, window)


class ApiKeyController(Controller):
    """Keys for programs: each has a role, and may be limited to scopes, networks and a time."""

    path = "/api-keys"
    tags = ("API keys",)
    guards = (VIEWER,)
    dependencies = {"list_request": Provide(list_request), "version": Provide(etags.if_match)}  # noqa: RUF012  # Litestar's way

    @get(operation_id="ListApiKeys")
    async def list_api_keys(
        self, list_request: NamedDependency[ListRequest[ApiKeyQuery]], principal: NamedDependency[Principal]
    ) -> ApiKeys | ApiKeyPage:
        """List your own keys, or everybody's as an admin. Paged when `page` or `limit` is given."""
        found, total = await api_keys.list_page(list_request.query, principal)
        return list_request.reply(found, total, ApiKeys, ApiKeyPage)

    @post(operation_id="CreateApiKey")
    async def create_api_key(
        self, request: AnyRequest, data: JSONBody[ApiKeyDraft], principal: NamedDependency[Principal]
    ) -> Response[IssuedApiKey]:
        """Create a key, which only this reply shows. It can't have more permissions than its creator."""
        key, secret = await api_keys.create(data, principal, request.app.state.scopes)
        issued = IssuedApiKey(**msgspec.structs.asdict(key), key=secret)
        return Response(issued, status_code=201, headers=etags.etag_header(key, key.version))

    @get("/{key_id:str}", operation_id="GetApiKey")
    async def get_api_key(self, key_id: FromPath[UUID], principal: NamedDependency[Principal]) -> Response[ApiKey]:
        """Get one key, without its secret."""
        return etags.with_etag(await api_keys.get(str(key_id), principal))

    @update("/{key_id:str}", "ApiKey", opt=VERSIONED)
    async def update_api_key(
        self,
        request: AnyRequest,
        key_id: FromPath[UUID],
        data: JSONBody[ApiKeyPatch],
        principal: NamedDependency[Principal],
        version: NamedDependency[ExpectedVersion],
    ) -> Response[ApiKey]:
        """Update a key. Absent fields stay. Takes effect within a second, for open WebSockets as well."""
        scopes = request.app.state.scopes
        return etags.with_etag(await api_keys.update(str(key_id), data, principal, scopes, version=version))

    @delete("/{key_id:str}", operation_id="DeleteApiKey", opt=VERSIONED)
    async def delete_api_key(
        self,
        request: AnyRequest,
        key_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        version: NamedDependency[ExpectedVersion],
    ) -> None:
        """Revoke a key. It is refused within a second, and its WebSockets are closed."""
        name = await api_keys.delete(str(key_id), principal, version=version)
        audit_trail.trail_of(request).record_deleted(name)
