"""Batches over HTTP: many checks side by side, with an answer for each."""

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
from schema.checks import AdHocBatchRequest, AdHocCheck, AdHocItem, AdHocResults, BatchItem, BatchRequest, BatchResults
from schema.results import Result
from schema.users import Principal

Item = TypeVar("Item", BatchItem, AdHocItem)


async def run_by_id(check_id: str) -> Result:
    """Run a check by its id. Raises NoSuch, also for what can't be an id; Unavailable."""
    wanted = _normalize_id(check_id)
    if not wanted:
        raise NoSuch("check", check_id)
    try:
        return result_from_heartbeat(await run_now.check_monitor(wanted))
    except NoSuch:
        raise NoSuch("check", check_id) from None


def _normalize_id(check_id: str) -> str:
    """An id as it is stored; empty for what can't be one."""
    try:
        return str(UUID(check_id))
    except ValueError:
        return ""


def ad_hoc_item(check: AdHocCheck) -> AdHocItem:
    """How an ad-hoc check is named in the answer; its config only when it is right, and its secrets are known."""
    try:
        target, timeout_s = checks.ad_hoc_target(check)
    except Invalid:
        return AdHocItem(plugin_type=check.plugin_type)
    return AdHocItem(
        plugin_type=plugins.monitor_type(check.plugin_type),
        config=field_names.to_check_config(sealing.mask_secrets(target), timeout_s),
    )


class BatchController(Controller):
    """Many checks side by side."""

    path = "/batch"
    tags = ("Batches",)
    guards = (OPERATOR,)
    opt = RUN_LIMIT

    @post("/run", operation_id="RunBatch", status_code=200)
    async def run_batch(self, data: JSONBody[BatchRequest], request: Request[Any, Any, Any]) -> BatchResults:
        """Run checks by id. What has not finished at `timeout` says "timed out"; the others keep their results."""
        audit_trail.trail_of(request).change["checks"] = [one for one in map(_normalize_id, data.checks) if one]
        jobs = [partial(run_by_id, check_id) for check_id in data.checks]
        told = await run_now.run_concurrently(jobs, data.max_workers, data.timeout)
        return BatchResults(
            [_with_result(BatchItem(check_id=of), one) for of, one in zip(data.checks, told, strict=True)]
        )

    @post("/run-ad-hoc", operation_id="RunAdHocBatch", status_code=200)
    async def run_ad_hoc_batch(
        self, data: JSONBody[AdHocBatchRequest], principal: NamedDependency[Principal], request: Request[Any, Any, Any]
    ) -> AdHocResults:
        """Run checks that are kept nowhere. A wrong config is that item's `error`. Where they connected stands in the
        audit log; the setting `checks.ad_hoc_role` keeps this for admins.
        """
        await require_ad_hoc(principal)
        jobs = [partial(run_ad_hoc, check, audit_trail.trail_of(request)) for check in data.checks]
        told = await run_now.run_concurrently(jobs, data.max_workers, data.timeout)
        return AdHocResults([_with_result(ad_hoc_item(of), one) for of, one in zip(data.checks, told, strict=True)])


def _with_result(item: Item, told: Result | str) -> Item:
    return msgspec.structs.replace(item, **{"error" if isinstance(told, str) else "result": told})
