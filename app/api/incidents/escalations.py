"""Escalations over HTTP: who is alerted next while nobody acknowledges an incident."""

from typing import Any, Literal
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Struct

from app.api.http import audit_trail, etags, pagination
from app.api.http.pagination import Limit, ListRequest, Order, Page, Search
from app.api.http.updates import update
from app.security.auth.policy import ADMIN, VIEWER
from app.store.incidents import escalation_policies
from app.store.incidents.escalation_policies import EscalationQuery
from app.store.versions import ExpectedVersion
from schema.escalations import Escalation, EscalationDraft, EscalationPatch
from schema.pagination import Pagination
from schema.users import Principal

VERSIONED = {"refusals": [412]}
Sort = Literal["name", "created_at", "updated_at"]


class Escalations(Struct, frozen=True):
    """The whole list, up to 1,000 items. `total` counts all of them."""

    escalations: list[Escalation]
    total: int


class EscalationPage(Struct, frozen=True):
    """One page of a list."""

    data: list[Escalation]
    pagination: Pagination


async def list_request(
    principal: NamedDependency[Principal],
    page: Page = None,
    limit: Limit = None,
    q: Search = None,
    sort: FromQuery[Sort] = "name",
    order: FromQuery[Order] = "asc",
) -> ListRequest[EscalationQuery]:
    """The requested escalations, from the query parameters."""
    window = pagination.window_of(page, limit)
    query = EscalationQuery(q=q, sort=sort, **window.part(order), visible_to=principal.tags)
    return ListRequest(query, window)


class EscalationController(Controller):
    """Channels to alert, step by step, while nobody acknowledges an incident."""

    path = "/escalations"
    tags = ("Escalations",)
    guards = (VIEWER,)
    dependencies = {"list_request": Provide(list_request), "version": Provide(etags.if_match)}  # noqa: RUF012  # Litestar's way

    @get(operation_id="ListEscalations")
    async def list_escalations(
        self, list_request: NamedDependency[ListRequest[EscalationQuery]]
    ) -> Escalations | EscalationPage:
        """List escalations, by name unless you send `sort`, paged when `page` or `limit` is given."""
        found, total = await escalation_policies.list_page(list_request.query)
        return list_request.reply(found, total, Escalations, EscalationPage)

    @post(operation_id="CreateEscalation", guards=[ADMIN])
    async def create_escalation(self, data: JSONBody[EscalationDraft]) -> Response[Escalation]:
        """Create an escalation. Monitors that name it use it from their next incident on."""
        return etags.with_etag(await escalation_policies.create(data), status_code=201)

    @get("/{escalation_id:str}", operation_id="GetEscalation")
    async def get_escalation(
        self, escalation_id: FromPath[UUID], principal: NamedDependency[Principal]
    ) -> Response[Escalation]:
        """Get one escalation."""
        return etags.with_etag(await escalation_policies.get(str(escalation_id), principal.tags))

    @update("/{escalation_id:str}", "Escalation", guards=[ADMIN], opt=VERSIONED)
    async def update_escalation(
        self, escalation_id: FromPath[UUID], data: JSONBody[EscalationPatch], version: NamedDependency[ExpectedVersion]
    ) -> Response[Escalation]:
        """Update an escalation. Absent fields stay; `steps` are replaced whole, and open incidents use the new ones."""
        return etags.with_etag(await escalation_policies.update(str(escalation_id), data, version=version))

    @delete("/{escalation_id:str}", operation_id="DeleteEscalation", guards=[ADMIN], opt=VERSIONED)
    async def delete_escalation(
        self,
        request: Request[Any, Any, Any],
        escalation_id: FromPath[UUID],
        version: NamedDependency[ExpectedVersion],
    ) -> None:
        """Delete an escalation; its monitors then have none."""
        audit_trail.trail_of(request).record_deleted(
            await escalation_policies.delete(str(escalation_id), version=version)
        )
