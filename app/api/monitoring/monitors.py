"""Monitors over HTTP: what is watched, how often, and who is alerted."""

from typing import TYPE_CHECKING, Any, Literal, cast
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Struct

from app.api.http import audit_trail, etags, pagination
from app.api.http.pagination import Limit, ListRequest, Order, Page, Search, StatusFilter, TagFilter
from app.api.http.rate_limits import RUN_LIMIT
from app.api.http.updates import update
from app.api.monitoring import monitor_changes, push_ingest, run_now
from app.security.auth.policy import ADMIN, OPERATOR, VIEWER
from app.security.secrets import config_views
from app.store.transactions import monitors
from app.store.transactions.monitors import MonitorQuery
from app.store.versions import ExpectedVersion
from schema.heartbeats import Heartbeat
from schema.monitors import Monitor, MonitorCloneRequest, MonitorDraft, MonitorPatch, PushAddress
from schema.pagination import Pagination
from schema.targets import TARGETS, Push
from schema.targets.composed import ManualStatusUpdate
from schema.users import Principal

VERSIONED = {"refusals": [409, 412]}
Sort = Literal["name", "created_at", "updated_at", "status"]
if TYPE_CHECKING:
    MonitorType = str
else:
    MonitorType = Literal[tuple(TARGETS)]  # every type there is; only the running program knows them


class Monitors(Struct, frozen=True):
    """The whole list, up to 1,000 items. `total` counts all of them."""

    monitors: list[Monitor]
    total: int


class MonitorPage(Struct, frozen=True):
    """One page of a list."""

    data: list[Monitor]
    pagination: Pagination


async def list_request(  # noqa: PLR0913, PLR0917  # query parameters
    principal: NamedDependency[Principal],
    page: Page = None,
    limit: Limit = None,
    q: Search = None,
    type: FromQuery[MonitorType | None] = None,  # noqa: A002  # its name on the wire
    active: FromQuery[bool | None] = None,
    status: FromQuery[StatusFilter | None] = None,
    tag: TagFilter = None,
    sort: FromQuery[Sort] = "name",
    order: FromQuery[Order] = "asc",
) -> ListRequest[MonitorQuery]:
    """The requested monitors, from the query parameters."""
    window = pagination.window_of(page, limit)
    query = MonitorQuery(
        q=q,
        type=type,
        active=active,
        status=pagination.parse_status(status),
        tag=tag,
        sort=sort,
        **window.part(order),
        visible_to=principal.tags,
    )
    return ListRequest(query, window)


def _push_address(monitor_id: str, token: str) -> PushAddress:
    return PushAddress(id=monitor_id, token=token, path=f"/api/v1/push/{token}")


class MonitorController(Controller):
    """What is watched, how often, and who is alerted."""

    path = "/monitors"
    tags = ("Monitors",)
    guards = (VIEWER,)
    dependencies = {"list_request": Provide(list_request), "version": Provide(etags.if_match)}  # noqa: RUF012  # Litestar's way

    @get(operation_id="ListMonitors")
    async def list_monitors(
        self, list_request: NamedDependency[ListRequest[MonitorQuery]], principal: NamedDependency[Principal]
    ) -> Monitors | MonitorPage:
        """List monitors, by name unless you send `sort`, paged when `page` or `limit` is given."""
        found, total = await monitors.list_page(list_request.query)
        found = config_views.configs_visible_to(principal, found)
        return list_request.reply(found, total, Monitors, MonitorPage)

    @post(operation_id="CreateMonitor", guards=[ADMIN])
    async def create_monitor(self, data: JSONBody[MonitorDraft]) -> Response[Monitor]:
        """Create a monitor. It is checked at once. Only this reply shows a push monitor's token."""
        change = await monitors.create(data)
        await monitor_changes.publish(change)
        return etags.with_etag(change.monitor, status_code=201)

    @get("/{monitor_id:str}", operation_id="GetMonitor")
    async def get_monitor(self, monitor_id: FromPath[UUID], principal: NamedDependency[Principal]) -> Response[Monitor]:
        """Get one monitor with its current state."""
        (monitor,) = config_views.configs_visible_to(principal, [await monitors.get(str(monitor_id), principal.tags)])
        return etags.with_etag(monitor)

    @update("/{monitor_id:str}", "Monitor", guards=[ADMIN], opt=VERSIONED)
    async def update_monitor(
        self, monitor_id: FromPath[UUID], data: JSONBody[MonitorPatch], version: NamedDependency[ExpectedVersion]
    ) -> Response[Monitor]:
        """Update a monitor. Absent fields stay; `config` is replaced whole, and `********` in it keeps a secret."""
        change = await monitors.update(str(monitor_id), data, version=version)
        await monitor_changes.publish(change)
        return etags.with_etag(change.monitor)

    @delete("/{monitor_id:str}", operation_id="DeleteMonitor", guards=[ADMIN], opt=VERSIONED)
    async def delete_monitor(
        self, request: Request[Any, Any, Any], monitor_id: FromPath[UUID], version: NamedDependency[ExpectedVersion]
    ) -> None:
        """Delete a monitor and its history."""
        change = await monitors.delete(str(monitor_id), version=version)
        audit_trail.trail_of(request).record_deleted(change.monitor.name, change.monitor.type)
        await monitor_changes.publish(change)

    @post("/{monitor_id:str}/pause", operation_id="PauseMonitor", guards=[OPERATOR], status_code=200)
    async def pause_monitor(self, monitor_id: FromPath[UUID]) -> Response[Monitor]:
        """Stop checking a monitor. Takes effect within a second."""
        change = await monitors.set_active(str(monitor_id), False)
        await monitor_changes.publish(change)
        return etags.with_etag(change.monitor)

    @post("/{monitor_id:str}/resume", operation_id="ResumeMonitor", guards=[OPERATOR], status_code=200)
    async def resume_monitor(self, monitor_id: FromPath[UUID]) -> Response[Monitor]:
        """Resume checking a monitor, at once."""
        change = await monitors.set_active(str(monitor_id), True)
        await monitor_changes.publish(change)
        return etags.with_etag(change.monitor)

    @post("/{monitor_id:str}/clone", operation_id="CloneMonitor", guards=[ADMIN])
    async def clone_monitor(
        self, monitor_id: FromPath[UUID], data: JSONBody[MonitorCloneRequest | None] = None
    ) -> Response[Monitor]:
        """Create a copy with the same config, secrets included, and the same channels, tags and parents. The copy of a
        push monitor has its own token, which only this reply shows.
        """
        change = await monitors.clone(str(monitor_id), data.name if data else None)
        await monitor_changes.publish(change)
        return etags.with_etag(change.monitor, status_code=201)

    @post("/{monitor_id:str}/reset", operation_id="ResetMonitor", guards=[ADMIN], status_code=200, opt=VERSIONED)
    async def reset_monitor(
        self, monitor_id: FromPath[UUID], version: NamedDependency[ExpectedVersion]
    ) -> Response[Monitor]:
        """Delete a monitor's history. Its heartbeats and statistics can't be restored. Incidents stay, and an open one
        ends. Checks continue, the next one at once.
        """
        change = await monitors.reset_history(str(monitor_id), version=version)
        push_ingest.clear_endpoints()
        await monitor_changes.publish(change)
        return etags.with_etag(change.monitor)

    @put("/{monitor_id:str}/status", operation_id="SetMonitorStatus", guards=[OPERATOR], opt={"refusals": [409]})
    async def set_monitor_status(
        self, monitor_id: FromPath[UUID], data: JSONBody[ManualStatusUpdate]
    ) -> Response[Monitor]:
        """Set the status of a monitor of type `manual`, until it is set again. It is checked at once."""
        change = await monitors.set_manual_status(str(monitor_id), data)
        await monitor_changes.publish(change)
        return etags.with_etag(change.monitor)

    @post("/{monitor_id:str}/show-token", operation_id="GetPushToken", guards=[ADMIN], status_code=200,
          opt={"refusals": [409]})  # fmt: skip
    async def get_push_token(self, monitor_id: FromPath[UUID]) -> PushAddress:
        """Get the push URL and token of a monitor of type `push`. It is a POST because the audit log records it."""
        return _push_address(str(monitor_id), await monitors.get_push_token(str(monitor_id)))

    @post("/{monitor_id:str}/rotate-token", operation_id="RotatePushToken", guards=[ADMIN], status_code=200,
          opt=VERSIONED)  # fmt: skip
    async def rotate_push_token(
        self, monitor_id: FromPath[UUID], version: NamedDependency[ExpectedVersion]
    ) -> PushAddress:
        """Create a new push token. The old one stops working within two seconds."""
        change = await monitors.rotate_push_token(str(monitor_id), version=version)
        push_ingest.clear_endpoints()
        await monitor_changes.publish(change)
        config = cast(Push, change.monitor.config)
        return _push_address(change.monitor.id, config.token)

    @post("/{monitor_id:str}/run", operation_id="RunMonitor", guards=[OPERATOR], status_code=200, opt=RUN_LIMIT)
    async def run_monitor(self, monitor_id: FromPath[UUID]) -> Heartbeat:
        """Check a monitor now, even a paused one, through the ordinary pipeline. Returns the heartbeat."""
        return await run_now.check_monitor(str(monitor_id))
