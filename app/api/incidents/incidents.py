"""Incidents over HTTP: outages of monitors, and incidents that people create."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Struct
from msgspec.structs import replace

from app import clock
from app.api.http import etags, pagination, query_params
from app.api.http.pagination import Limit, ListRequest, Order, Page
from app.api.http.updates import update
from app.api.incidents import incident_changes
from app.security.auth.policy import ADMIN, OPERATOR, VIEWER
from app.store.incidents import incidents
from app.store.incidents.incident_queries import END_MS
from app.store.incidents.incidents import IncidentQuery
from app.store.transactions import monitors
from app.store.versions import ExpectedVersion
from schema.incidents import (
    Incident,
    IncidentDetail,
    IncidentDraft,
    IncidentKind,
    IncidentMetrics,
    IncidentNoteDraft,
    IncidentPatch,
    IncidentStatus,
    TimelineEntry,
)
from schema.pagination import Pagination
from schema.users import Principal

VERSIONED, CONFLICTING = {"refusals": [409, 412]}, {"refusals": [409]}
Sort = Literal["started_at", "detected_at", "resolved_at", "title"]
Since = Annotated[
    datetime | None,
    QueryParameter(name="from", description="Only incidents that started at or after this time (RFC 3339)."),
]
Until = Annotated[
    datetime | None, QueryParameter(name="to", description="Only incidents that started before this time (RFC 3339).")
]


class Incidents(Struct, frozen=True):
    """The whole list, up to 1,000 items. `total` counts all of them."""

    incidents: list[Incident]
    total: int


class IncidentPage(Struct, frozen=True):
    """One page of a list."""

    data: list[Incident]
    pagination: Pagination


async def filters(
    principal: NamedDependency[Principal],
    status: FromQuery[IncidentStatus | None] = None,
    kind: FromQuery[IncidentKind | None] = None,
    since: Since = None,
    until: Until = None,
) -> IncidentQuery:
    """The filters from the query parameters. Raises Invalid."""
    return IncidentQuery(
        status=status,
        kind=kind,
        from_ms=query_params.instant_ms("from", since, 0),
        to_ms=query_params.instant_ms("to", until, END_MS),
        visible_to=principal.tags,
    )


async def list_request(
    filters: NamedDependency[IncidentQuery],
    page: Page = None,
    limit: Limit = None,
    sort: FromQuery[Sort] = "started_at",
    order: FromQuery[Order] = "desc",
) -> ListRequest[IncidentQuery]:
    """The filters with the order and the requested page."""
    window = pagination.window_of(page, limit)
    query = replace(filters, sort=sort, **window.part(order))
    return ListRequest(query, window)


async def _load_page(list_request: ListRequest[IncidentQuery], monitor_id: UUID | None) -> Incidents | IncidentPage:
    found, total = await incidents.list_page(replace(list_request.query, monitor_id=monitor_id and str(monitor_id)))
    return list_request.reply(found, total, Incidents, IncidentPage)


class IncidentController(Controller):
    """Outages of monitors, and incidents that people create."""

    tags = ("Incidents",)
    guards = (VIEWER,)
    dependencies = {  # noqa: RUF012  # Litestar's way
        "version": Provide(etags.if_match),
        "filters": Provide(filters),
        "list_request": Provide(list_request),
    }

    @get("/incidents", operation_id="ListIncidents")
    async def list_incidents(
        self, list_request: NamedDependency[ListRequest[IncidentQuery]], monitor_id: FromQuery[UUID | None] = None
    ) -> Incidents | IncidentPage:
        """List incidents, newest first unless you send `sort`, paged when `page` or `limit` is given."""
        return await _load_page(list_request, monitor_id)

    @get("/monitors/{monitor_id:str}/incidents", operation_id="ListMonitorIncidents")
    async def list_monitor_incidents(
        self, monitor_id: FromPath[UUID], list_request: NamedDependency[ListRequest[IncidentQuery]]
    ) -> Incidents | IncidentPage:
        """List the incidents of one monitor."""
        await monitors.get(str(monitor_id), list_request.query.visible_to)
        return await _load_page(list_request, monitor_id)

    @get("/incidents/metrics", operation_id="GetIncidentMetrics")
    async def get_incident_metrics(
        self, filters: NamedDependency[IncidentQuery], monitor_id: FromQuery[UUID | None] = None
    ) -> IncidentMetrics:
        """Get metrics of incidents, such as the mean time to acknowledge (`mtta`) and to resolve (`mttr`)."""
        return await incidents.get_metrics(replace(filters, monitor_id=monitor_id and str(monitor_id)), clock.now_ms())

    @post("/incidents", operation_id="CreateIncident", guards=[OPERATOR])
    async def create_incident(
        self, data: JSONBody[IncidentDraft], principal: NamedDependency[Principal]
    ) -> Response[IncidentDetail]:
        """Create an incident. Outages of monitors create theirs automatically."""
        change = await incidents.create(data, principal.username)
        await incident_changes.publish(change)
        return etags.with_etag(change.incident, status_code=201)

    @get("/incidents/{incident_id:str}", operation_id="GetIncident")
    async def get_incident(
        self, incident_id: FromPath[UUID], principal: NamedDependency[Principal]
    ) -> Response[IncidentDetail]:
        """Get one incident with its timeline."""
        return etags.with_etag(await incidents.get(str(incident_id), principal.tags))

    @update("/incidents/{incident_id:str}", "Incident", guards=[OPERATOR], opt=VERSIONED)
    async def update_incident(
        self, incident_id: FromPath[UUID], data: JSONBody[IncidentPatch], version: NamedDependency[ExpectedVersion]
    ) -> Response[IncidentDetail]:
        """Update an incident. Absent fields stay."""
        return etags.with_etag(await incidents.update(str(incident_id), data, version=version))

    @delete("/incidents/{incident_id:str}", operation_id="DeleteIncident", guards=[ADMIN], opt=VERSIONED)
    async def delete_incident(self, incident_id: FromPath[UUID], version: NamedDependency[ExpectedVersion]) -> None:
        """Delete an incident with its timeline. An open outage can't be deleted."""
        await incidents.delete(str(incident_id), version=version)

    @post(
        "/incidents/{incident_id:str}/acknowledge",
        operation_id="AcknowledgeIncident",
        guards=[OPERATOR],
        status_code=200,
        opt=CONFLICTING,
    )
    async def acknowledge_incident(
        self, incident_id: FromPath[UUID], principal: NamedDependency[Principal]
    ) -> Response[IncidentDetail]:
        """Acknowledge an incident. Reminders and escalation end. The first acknowledgement counts."""
        change = await incidents.acknowledge(str(incident_id), principal.username)
        await incident_changes.publish(change)
        return etags.with_etag(change.incident)

    @post("/incidents/{incident_id:str}/notes", operation_id="CreateIncidentNote", guards=[OPERATOR])
    async def create_incident_note(
        self, incident_id: FromPath[UUID], data: JSONBody[IncidentNoteDraft], principal: NamedDependency[Principal]
    ) -> TimelineEntry:
        """Add a note to the timeline, also of a resolved incident."""
        return await incidents.add_note(str(incident_id), data.text, principal.username)

    @post(
        "/incidents/{incident_id:str}/resolve",
        operation_id="ResolveIncident",
        guards=[OPERATOR],
        status_code=200,
        opt=CONFLICTING,
    )
    async def resolve_incident(
        self, incident_id: FromPath[UUID], principal: NamedDependency[Principal]
    ) -> Response[IncidentDetail]:
        """Resolve an incident that people created. An outage is resolved when its monitor recovers."""
        change = await incidents.resolve(str(incident_id), principal.username)
        await incident_changes.publish(change)
        return etags.with_etag(change.incident)
