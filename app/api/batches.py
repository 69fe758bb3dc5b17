"""Batches over HTTP: many checks side by side, with an answer for each."""

from functools import partial
from typing import TypeVar
from uuid import UUID

import msgspec
from litestar import Controller, post
from litestar.params import JSONBody

from app.api import running
from app.api.checks import run_once
from app.api.rates import RUNNING
from app.api.results import result_of
from app.domain import checks, dialect, plugins
from app.errors import Invalid, NoSuch
from app.security import sealing
from app.security.policy import OPERATOR
from schema.checks import AdHocBatch, AdHocCheck, AdHocItem, AdHocResults, Batch, BatchItem, BatchResults
from schema.results import Result

Item = TypeVar("Item", BatchItem, AdHocItem)


async def run_stored(check_id: str) -> Result:
    """Run a check by its id. Raises NoSuch, also for what can't be an id; Unavailable."""
    try:
        wanted = str(UUID(check_id))
    except ValueError:
        raise NoSuch("check", check_id) from None
    try:
        return result_of(await running.stored(wanted))
    except NoSuch:
        raise NoSuch("check", check_id) from None


def item_of(check: AdHocCheck) -> AdHocItem:
    """How an ad-hoc check is named in the answer; its config only when it is right, and its secrets are known."""
    try:
        target, timeout_s = checks.target_of(check)
    except Invalid:
        return AdHocItem(plugin_type=check.plugin_type)
    return AdHocItem(
        plugin_type=plugins.type_of(check.plugin_type), config=dialect.of_monitor(sealing.masked(target), timeout_s)
    )


class BatchController(Controller):
    """Many checks side by side."""

    path = "/batch"
    tags = ("Batches",)
    guards = (OPERATOR,)
    opt = RUNNING

    @post("/run", operation_id="RunBatch", status_code=200)
    async def run(self, data: JSONBody[Batch]) -> BatchResults:
        """Run checks by id. What has not finished at `timeout` says "timed out"; the others keep their results."""
        jobs = [partial(run_stored, check_id) for check_id in data.checks]
        told = await running.side_by_side(jobs, data.max_workers, data.timeout)
        return BatchResults([_with(BatchItem(check_id=of), one) for of, one in zip(data.checks, told, strict=True)])

    @post("/run-ad-hoc", operation_id="RunAdHocBatch", status_code=200)
    async def run_ad_hoc(self, data: JSONBody[AdHocBatch]) -> AdHocResults:
        """Run checks that are kept nowhere. A wrong config is that item's `error`."""
        jobs = [partial(run_once, check) for check in data.checks]
        told = await running.side_by_side(jobs, data.max_workers, data.timeout)
        return AdHocResults([_with(item_of(of), one) for of, one in zip(data.checks, told, strict=True)])


def _with(item: Item, told: Result | str) -> Item:
    return msgspec.structs.replace(item, **{"error" if isinstance(told, str) else "result": told})
