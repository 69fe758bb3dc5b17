"""Batches over HTTP: many checks run concurrently, each with its own result."""

from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from litestar import Controller, Request, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.api.compat.checks import require_ad_hoc, run_ad_hoc
from app.api.compat.results import result_from_heartbeat
from app.api.http import audit_trail
from app.api.http.rate_limits import RUN_LIMIT
from app.api.monitoring import run_now
from app.domain.compat import checks, field_names, plugins
from app.errors import Invalid, NoSuch
from app.security.auth.policy import OPERATOR
from app.security.secrets import sealing
from schema.checks import (
    AdHocBatchItem,
    AdHocBatchRequest,
    AdHocBatchResults,
    AdHocCheck,
    BatchItem,
    BatchRequest,
    BatchResults,
)
from schema.results import Result
from schema.users import Principal

Item = TypeVar("Item", BatchItem, AdHocBatchItem)


async def run_by_id(check_id: str) -> Result:
    """Run a check by its id. Raises NoSuch, also for a malformed id, and Unavailable."""
    monitor_id = _normalize_id(check_id)
    if not monitor_id:
        raise NoSuch("check", check_id)
    try:
        return result_from_heartbeat(await run_now.check_monitor(monitor_id))
    except NoSuch:
        raise NoSuch("check", check_id) from None


def _normalize_id(check_id: str) -> str:
    """An id in its stored form; empty for a malformed one."""
    try:
        return str(UUID(check_id))
    except ValueError:
        return ""


def ad_hoc_item(check: AdHocCheck) -> AdHocBatchItem:
    """The item of an ad-hoc check in the response; with its masked config only when that is valid."""
    try:
        target, timeout_s = checks.ad_hoc_target(check)
    except Invalid:
        return AdHocBatchItem(plugin_type=check.plugin_type)
    return AdHocBatchItem(
        plugin_type=plugins.monitor_type(check.plugin_type),
        config=field_names.to_check_config(sealing.mask_secrets(target), timeout_s),
    )


class BatchController(Controller):
    """Many checks run concurrently."""

    path = "/batch"
    tags = ("Batches",)
    guards = (OPERATOR,)
    opt = RUN_LIMIT

    @post("/run", operation_id="RunBatch", status_code=200)
    async def run_batch(self, data: JSONBody[BatchRequest], request: Request[Any, Any, Any]) -> BatchResults:
        """Run checks by id. Those that exceed `timeout` report "timed out"; the others keep their results."""
        audit_trail.trail_of(request).change["checks"] = [one for one in map(_normalize_id, data.checks) if one]
        jobs = [partial(run_by_id, check_id) for check_id in data.checks]
        results = await run_now.run_concurrently(jobs, data.max_workers, data.timeout)
        items = (BatchItem(check_id=check_id) for check_id in data.checks)
        return BatchResults([_with_result(item, result) for item, result in zip(items, results, strict=True)])

    @post("/run-ad-hoc", operation_id="RunAdHocBatch", status_code=200)
    async def run_ad_hoc_batch(
        self, data: JSONBody[AdHocBatchRequest], principal: NamedDependency[Principal], request: Request[Any, Any, Any]
    ) -> AdHocBatchResults:
        """Run checks without storing them. An invalid config is that item's `error`. The audit log records where they
        connect; the setting `checks.ad_hoc_role` can limit this to admins.
        """
        await require_ad_hoc(principal)
        jobs = [partial(run_ad_hoc, check, audit_trail.trail_of(request)) for check in data.checks]
        results = await run_now.run_concurrently(jobs, data.max_workers, data.timeout)
        items = map(ad_hoc_item, data.checks)
        return AdHocBatchResults([_with_result(item, result) for item, result in zip(items, results, strict=True)])


def _with_result(item: Item, result: Result | str) -> Item:
    return msgspec.structs.replace(item, **{"error" if isinstance(result, str) else "result": result})
