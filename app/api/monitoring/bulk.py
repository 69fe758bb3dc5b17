"""Bulk actions on monitors over HTTP: each monitor is changed on its own and has its own result."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import islice
from typing import Any

from litestar import Controller, Request, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import UNSET
from msgspec.structs import asdict

from app.api.http import audit_trail, errors
from app.api.http.timeouts import NO_TIMEOUT
from app.api.monitoring import monitor_changes, push_ingest
from app.errors import Forbidden, Invalid, Refusal
from app.security.auth.policy import OPERATOR
from app.store.transactions import monitors
from app.store.transactions.monitors import MonitorChange, MonitorQuery
from schema.bulk import MAX_MONITORS, BulkItem, BulkRequest, BulkResults, MonitorFilter
from schema.status import Role
from schema.users import Principal

AnyRequest = Request[Any, Any, Any]
BulkAction = Callable[[str], Awaitable[MonitorChange]]
OPERATOR_ACTIONS = frozenset({"pause", "resume"})
PUBLISH_BATCH_SIZE = 50  # changes that are published together
REQUIRED_FIELDS = {"add_tags": "tag_ids", "remove_tags": "tag_ids"} | dict.fromkeys(
    ("add_channels", "remove_channels"), "notification_channel_ids"
)
IDS_OR_FILTER = "is required; send either `ids` or a `filter`, not both"


def _action_for(bulk: BulkRequest) -> BulkAction:
    """The change to make to each monitor. Raises Invalid when a field that the action needs is missing."""
    if (field := REQUIRED_FIELDS.get(bulk.action)) and not getattr(bulk, field):
        raise Invalid.for_field(field, f"is required for {bulk.action}")
    tags, channels = bulk.tag_ids, bulk.notification_channel_ids
    actions: dict[str, BulkAction] = {
        "pause": lambda one: monitors.set_active(one, False),
        "resume": lambda one: monitors.set_active(one, True),
        "delete": monitors.delete,
        "reset": monitors.reset_history,
        "add_tags": lambda one: monitors.update_links(one, tags=tags),
        "remove_tags": lambda one: monitors.update_links(one, without_tags=tags),
        "add_channels": lambda one: monitors.update_links(one, channels=channels),
        "remove_channels": lambda one: monitors.update_links(one, without_channels=channels),
    }
    return actions[bulk.action]


async def _monitor_ids(bulk: BulkRequest, principal: Principal) -> list[str]:
    """The monitors that the ids or the filter name. Raises Invalid."""
    if (bulk.ids is UNSET) == (bulk.filter is UNSET):
        raise Invalid.for_field("ids", IDS_OR_FILTER)
    if not isinstance(bulk.filter, MonitorFilter):
        return list(dict.fromkeys(bulk.ids)) if isinstance(bulk.ids, list) else []
    filters = {name: value for name, value in asdict(bulk.filter).items() if value is not UNSET}
    found, total = await monitors.list_page(MonitorQuery(**filters, visible_to=principal.tags))
    if total > len(found):
        raise Invalid.for_field(
            "filter", f"matches {total:,} monitors, but one request can change at most {MAX_MONITORS:,}; narrow it"
        )
    return [one.id for one in found]


class BulkController(Controller):
    """Bulk actions on monitors."""

    path = "/monitors/bulk"
    tags = ("Monitors",)
    guards = (OPERATOR,)
    opt = {NO_TIMEOUT: True}  # noqa: RUF012  # Litestar's way

    @post(operation_id="BulkUpdateMonitors", status_code=200)
    async def bulk_update_monitors(
        self, data: JSONBody[BulkRequest], principal: NamedDependency[Principal], request: AnyRequest
    ) -> BulkResults:
        """Pause, resume, reset, delete, tag or link many monitors. Each one succeeds or fails on its own: the reply is
        200 either way, and `results` has the outcomes. `pause` and `resume` need an operator, the others an admin.
        """
        if data.action not in OPERATOR_ACTIONS and not principal.role.covers(Role.ADMIN):
            raise Forbidden(
                f"The action {data.action!r} needs the role admin; you are {principal.role}.", needs="admin"
            )
        action, ids = _action_for(data), await _monitor_ids(data, principal)
        audit_trail.trail_of(request).change["monitors"] = ids
        results = [one async for one in _apply_to_each(ids, action, request)]
        if data.action == "reset":
            push_ingest.clear_endpoints()
        failed = sum(not one.ok for one in results)
        return BulkResults(results=results, done=len(results) - failed, failed=failed)


async def _apply_to_each(ids: Sequence[str], action: BulkAction, request: AnyRequest) -> AsyncIterator[BulkItem]:
    """Change one monitor after the other, and publish the changes in batches."""
    remaining = iter(ids)
    while batch := list(islice(remaining, PUBLISH_BATCH_SIZE)):
        changes: list[MonitorChange] = []
        for id_ in batch:
            try:
                changes.append(await action(id_))
                yield BulkItem(id=id_, ok=True)
            except Refusal as refusal:
                yield BulkItem(id=id_, ok=False, error=errors.error_body(refusal, errors.request_id_of(request)))
        await monitor_changes.publish(*changes)
