"""Tags over HTTP: labels of monitors, which also limit what a viewer sees."""

from typing import Any, Literal
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Struct

from app import response_cache
from app.api.http import audit_trail, etags, pagination
from app.api.http.pagination import Limit, ListRequest, Order, Page, Search
from app.api.http.updates import update
from app.security.auth.policy import ADMIN, VIEWER
from app.store.monitoring import tags
from app.store.monitoring.tags import TagQuery
from app.store.versions import ExpectedVersion
from schema.pagination import Pagination
from schema.tags import Tag, TagDraft, TagPatch
from schema.users import Principal

VERSIONED = {"refusals": [409, 412]}
Sort = Literal["name", "created_at", "updated_at"]


class Tags(Struct, frozen=True):
    """The whole list, up to 1,000 items. `total` counts all of them."""

    tags: list[Tag]
    total: int


class TagPage(Struct, frozen=True):
    """One page of a list."""

    data: list[Tag]
    pagination: Pagination


async def list_request(
    principal: NamedDependency[Principal],
    page: Page = None,
    limit: Limit = None,
    q: Search = None,
    sort: FromQuery[Sort] = "name",
    order: FromQuery[Order] = "asc",
) -> ListRequest[TagQuery]:
    """The requested tags, from the query parameters."""
    window = pagination.window_of(page, limit)
    query = TagQuery(q=q, sort=sort, **window.part(order), visible_to=principal.tags)
    return ListRequest(query, window)


class TagController(Controller):
    """Labels of monitors."""

    path = "/tags"
    tags = ("Tags",)
    guards = (VIEWER,)
    dependencies = {"version": Provide(etags.if_match)}  # noqa: RUF012  # Litestar's way

    @get(operation_id="ListTags", dependencies={"list_request": Provide(list_request)})
    async def list_tags(self, list_request: NamedDependency[ListRequest[TagQuery]]) -> Tags | TagPage:
        """List tags, by name unless you send `sort`, paged when `page` or `limit` is given."""
        found, total = await tags.list_page(list_request.query)
        return list_request.reply(found, total, Tags, TagPage)

    @post(operation_id="CreateTag", guards=[ADMIN])
    async def create_tag(self, data: JSONBody[TagDraft]) -> Response[Tag]:
        """Create a tag. Names are unique without regard to case."""
        return etags.with_etag(await tags.create(data), status_code=201)

    @get("/{tag_id:str}", operation_id="GetTag")
    async def get_tag(self, tag_id: FromPath[UUID], principal: NamedDependency[Principal]) -> Response[Tag]:
        """Get one tag."""
        return etags.with_etag(await tags.get(str(tag_id), principal.tags))

    @update("/{tag_id:str}", "Tag", guards=[ADMIN], opt=VERSIONED)
    async def update_tag(
        self, tag_id: FromPath[UUID], data: JSONBody[TagPatch], version: NamedDependency[ExpectedVersion]
    ) -> Response[Tag]:
        """Update a tag. Absent fields stay."""
        return etags.with_etag(await tags.update(str(tag_id), data, version=version))

    @delete("/{tag_id:str}", operation_id="DeleteTag", guards=[ADMIN], opt=VERSIONED)
    async def delete_tag(
        self,
        request: Request[Any, Any, Any],
        tag_id: FromPath[UUID],
        version: NamedDependency[ExpectedVersion],
    ) -> None:
        """Delete a tag that limits no viewer, and remove it from its monitors."""
        audit_trail.trail_of(request).record_deleted(await tags.delete(str(tag_id), version=version))
        await response_cache.invalidate()
