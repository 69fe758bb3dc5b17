"""Checks over HTTP: monitors in the form of document 002. They are stored and published as monitors."""

from typing import Any, Literal
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody

from app import clock, response_cache
from app.api.compat.results import result_from_heartbeat
from app.api.http import audit_trail, etags, pagination
from app.api.http.audit_trail import AuditTrail
from app.api.http.pagination import Order, Window
from app.api.http.rate_limits import RUN_LIMIT
from app.api.monitoring import monitor_changes, run_now
from app.domain.compat import checks, field_names, plugins
from app.domain.system import audit_destinations
from app.security.auth import authorization
from app.security.auth.policy import ADMIN, OPERATOR, VIEWER
from app.security.secrets import config_views
from app.store.history import result_queries
from app.store.monitoring import config_secrets, optional_libraries, proxies
from app.store.system import settings
from app.store.transactions import monitors
from app.store.transactions.monitors import MonitorChange, MonitorQuery
from app.store.versions import ExpectedVersion
from schema.checks import AdHocCheck, Check, CheckDraft, CheckPatch, Checks
from schema.heartbeat_texts import heartbeat_text
from schema.jobs import CheckOutcome
from schema.monitors import Monitor
from schema.pagination import pagination_of
from schema.results import RESULT_STATUSES, Result
from schema.status import Role
from schema.users import Principal

Sort = Literal["name", "created_at", "updated_at"]


async def check_query(
    principal: NamedDependency[Principal],
    window: NamedDependency[Window],
    enabled: FromQuery[bool | None] = None,
    plugin_type: FromQuery[str | None] = None,
    sort: FromQuery[Sort] = "name",
    order: FromQuery[Order] = "asc",
) -> MonitorQuery:
    """The monitors of the requested checks, from the query parameters. Raises Invalid."""
    return MonitorQuery(
        active=enabled,
        type=plugin_type and plugins.monitor_type(plugin_type),
        sort=sort,
        descending=order == "desc",
        limit=window.limit,
        offset=window.offset,
        visible_to=principal.tags,
    )


async def checks_of(found: list[Monitor]) -> list[Check]:
    """Monitors as checks, with the whole config and the time of the last run."""
    last_runs = await result_queries.last_runs(one.id for one in found)
    return [checks.check_from_monitor(one, last_runs.get(one.id)) for one in found]


async def _load_page(query: MonitorQuery, window: Window, principal: Principal) -> Checks:
    found, total = await monitors.list_page(query)
    found = config_views.configs_visible_to(principal, found)
    pages = pagination_of(1, window.limit, total).pages
    return Checks(checks=await checks_of(found), page=window.page or 1, per_page=window.limit, total=total, pages=pages)


async def _publish_and_respond(change: MonitorChange, *, status_code: int = 200) -> Response[Check]:
    """Publish a change, and return the changed check with the monitor's ETag."""
    await monitor_changes.publish(change)
    (check,) = await checks_of([change.monitor])
    return Response(check, status_code=status_code, headers=etags.etag_header(check, change.monitor.version))


async def require_ad_hoc(principal: Principal) -> None:
    """Raise Forbidden unless the caller has the role for ad-hoc checks, which is a setting."""
    authorization.require_role(principal, Role(await settings.get_value("checks.ad_hoc_role")))


async def run_ad_hoc(data: AdHocCheck, trail: AuditTrail) -> Result:
    """Run a check without storing it, and record in the trail where it connects. Raises Invalid, Unavailable."""
    target, timeout_s = checks.ad_hoc_target(data)
    with checks.name_check_fields(data.plugin_type):
        optional_libraries.require_library(target)
        target = config_secrets.validate_new(target)
        proxy = await proxies.get_for_target(target)
    trail.record_destinations(audit_destinations.destinations_of(target))
    return _result_from_outcome(await run_now.check_target(target, timeout_s, proxy))


def _result_from_outcome(outcome: CheckOutcome) -> Result:
    return Result(
        id=None,
        check_id=None,
        status=RESULT_STATUSES[outcome.status],
        message=outcome.message or heartbeat_text(outcome.code),
        response_time=outcome.took_us / 1_000_000,
        raw_data=field_names.result_facts(outcome.detail),
        executed_at=clock.instant(outcome.at_ms),
    )


class CheckController(Controller):
    """Checks with their config and schedule."""

    path = "/checks"
    tags = ("Checks",)
    guards = (VIEWER,)
    dependencies: dict[str, Any] = {"version": Provide(etags.if_match)}  # noqa: RUF012  # Litestar's way

    @get(
        operation_id="ListChecks",
        dependencies={"window": Provide(pagination.required_window), "filters": Provide(check_query)},
    )
    async def list_checks(
        self,
        filters: NamedDependency[MonitorQuery],
        window: NamedDependency[Window],
        principal: NamedDependency[Principal],
    ) -> Checks:
        """List checks, a page at a time."""
        key = (filters, window, config_views.sees_restricted(principal))
        return await response_cache.get_or_compute(
            "checks", key, Checks, lambda: _load_page(filters, window, principal)
        )

    @post(operation_id="CreateCheck", guards=[ADMIN])
    async def create_check(self, data: JSONBody[CheckDraft]) -> Response[Check]:
        """Create a check. Without a schedule it runs on demand only."""
        draft = checks.monitor_draft(data)
        with checks.name_check_fields(data.plugin_type):
            change = await monitors.create(draft)
        return await _publish_and_respond(change, status_code=201)

    @post("/run", operation_id="RunAdHocCheck", guards=[OPERATOR], status_code=200, opt=RUN_LIMIT)
    async def run_ad_hoc_check(
        self, data: JSONBody[AdHocCheck], principal: NamedDependency[Principal], request: Request[Any, Any, Any]
    ) -> Result:
        """Run a check without storing it. Only the audit log records where it connects. The setting
        `checks.ad_hoc_role` can limit this to admins.
        """
        await require_ad_hoc(principal)
        return await run_ad_hoc(data, audit_trail.trail_of(request))

    @get("/{check_id:str}", operation_id="GetCheck")
    async def get_check(self, check_id: FromPath[UUID], principal: NamedDependency[Principal]) -> Response[Check]:
        """Get one check."""
        found = config_views.configs_visible_to(principal, [await monitors.get(str(check_id), principal.tags)])
        (check,) = await checks_of(found)
        return Response(check, headers=etags.etag_header(check, found[0].version))

    @put("/{check_id:str}", operation_id="UpdateCheck", guards=[ADMIN], opt={"refusals": [409, 412]})
    async def update_check(
        self, check_id: FromPath[UUID], data: JSONBody[CheckPatch], version: NamedDependency[ExpectedVersion]
    ) -> Response[Check]:
        """Update a check. Absent fields stay; `config` is replaced whole, and `********` in it keeps a secret."""
        monitor = await monitors.get(str(check_id))
        patch = checks.monitor_patch(monitor, data)
        with checks.name_check_fields(monitor.type):
            change = await monitors.update(monitor.id, patch, version=version)
        return await _publish_and_respond(change)

    @delete("/{check_id:str}", operation_id="DeleteCheck", guards=[ADMIN], opt={"refusals": [412]})
    async def delete_check(
        self, request: Request[Any, Any, Any], check_id: FromPath[UUID], version: NamedDependency[ExpectedVersion]
    ) -> None:
        """Delete a check and its results."""
        change = await monitors.delete(str(check_id), version=version)
        audit_trail.trail_of(request).record_deleted(change.monitor.name, change.monitor.type)
        await monitor_changes.publish(change)

    @post("/{check_id:str}/run", operation_id="RunCheck", guards=[OPERATOR], status_code=200, opt=RUN_LIMIT)
    async def run_check(self, check_id: FromPath[UUID]) -> Result:
        """Run a check now, through the ordinary pipeline. Returns the stored result."""
        return result_from_heartbeat(await run_now.check_monitor(str(check_id)))
