"""Batches over HTTP: many checks side by side, with an answer for each."""

from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from litestar import Controller, Request, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.api.compat.checks import require_ad_hoc, run_once
from app.api.compat.results import result_of
from app.api.http import audit_trail
from app.api.http.rate_limits import RUNNING
from app.api.monitoring import run_now
from app.domain.compat import checks, field_names, plugins
from app.errors import Invalid, NoSuch
from app.security.auth.policy import OPERATOR
from app.security.secrets import sealing
from schema.checks import AdHocBatch, AdHocCheck, AdHocItem, AdHocResults, Batch, BatchItem, BatchResults
from schema.results import Result
from schema.users import Principal

Item = TypeVar("Item", BatchItem, AdHocItem)


async def run_stored(check_id: str) -> Result:
    """Run a check by its id. Raises NoSuch, also for what can't be an id; Unavailable."""
    wanted = _id_of(check_id)
    if not wanted:
        raise NoSuch("check", check_id)
    try:
        return result_of(await run_now.stored(wanted))
    except NoSuch:
        raise NoSuch("check", check_id) from None


def _id_of(check_id: str) -> str:
    """An id as it is stored; empty for what can't be one."""
    try:
        return str(UUID(check_id))
    except ValueError:
        return ""


def item_of(check: AdHocCheck) -> AdHocItem:
    """How an ad-hoc check is named in the answer; its config only when it is right, and its secrets are known."""
    try:
        target, timeout_s = checks.target_of(check)
    except Invalid:
        return AdHocItem(plugin_type=check.plugin_type)
    return AdHocItem(
        plugin_type=plugins.type_of(check.plugin_type), config=field_names.of_monitor(sealing.masked(target), timeout_s)
    )


class BatchController(Controller):
    """Many checks side by side."""

    path = "/batch"
    tags = ("Batches",)
    guards = (OPERATOR,)
    opt = RUNNING

    @post("/run", operation_id="RunBatch", status_code=200)
    async def run(self, data: JSONBody[Batch], request: Request[Any, Any, Any]) -> BatchResults:
        """Run checks by id. What has not finished at `timeout` says "timed out"; the others keep their results."""
        audit_trail.of(request).change["checks"] = [one for one in map(_id_of, data.checks) if one]
        jobs = [partial(run_stored, check_id) for check_id in data.checks]
        told = await run_now.side_by_side(jobs, data.max_workers, data.timeout)
        return BatchResults([_with(BatchItem(check_id=of), one) for of, one in zip(data.checks, told, strict=True)])

    @post("/run-ad-hoc", operation_id="RunAdHocBatch", status_code=200)
    async def run_ad_hoc(
        self, data: JSONBody[AdHocBatch], principal: NamedDependency[Principal], request: Request[Any, Any, Any]
    ) -> AdHocResults:
        """Run checks that are kept nowhere. A wrong config is that item's `error`. Where they connected stands in the
        audit log; the setting `checks.ad_hoc_role` keeps this for admins.
        """
        await require_ad_hoc(principal)
        jobs = [partial(run_once, check, audit_trail.of(request)) for check in data.checks]
        told = await run_now.side_by_side(jobs, data.max_workers, data.timeout)
        return AdHocResults([_with(item_of(of), one) for of, one in zip(data.checks, told, strict=True)])


def _with(item: Item, told: Result | str) -> Item:
    return msgspec.structs.replace(item, **{"error" if isinstance(told, str) else "result": told})
