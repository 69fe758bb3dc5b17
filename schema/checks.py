"""Checks: monitors in the terms of document 002. A check is a monitor with the same id; only field names differ."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from schema.field_types import Name, Uuid
from schema.results import Result

PluginName = Annotated[
    str, Meta(min_length=1, max_length=64, description="A name of `GET /plugins`, or one of its aliases.")
]
Config = Annotated[
    dict[str, Any],
    Meta(description="As `GET /plugins/{name}` describes it; `timeout` is the seconds one check may take."),
]
Schedule = Annotated[
    str,
    Meta(
        max_length=100,
        description='"every 5 minutes" (seconds, minutes, hours, days), or a cron expression of five fields.',
        examples=["every 5 minutes"],
    ),
]
CheckIds = Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(min_length=1, max_length=100)]
MaxWorkers = Annotated[int, Meta(description="How many run at once; brought into 1 to 20.")]
BatchTimeout = Annotated[
    float, Meta(gt=0, le=600, description="Seconds for all of them; what has finished by then is kept.")
]


class Check(Struct, frozen=True, kw_only=True):
    """A check as returned, with secrets masked."""

    id: Uuid
    name: str
    plugin_type: str
    config: dict[str, Any]
    enabled: bool
    schedule: Annotated[str | None, Meta(description="null: it runs on demand only.")]
    last_run: Annotated[datetime | None, Meta(description="The due time of its newest result.")]
    created_at: datetime
    updated_at: datetime


class Checks(Struct, frozen=True, kw_only=True):
    """One page of checks."""

    checks: list[Check]
    page: int
    per_page: int
    total: int
    pages: int


class CheckDraft(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client sends to create a check."""

    name: Name
    plugin_type: PluginName
    config: Config
    enabled: bool = True
    schedule: Schedule | None = None


class CheckPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may change. Absent fields stay; `config` is replaced whole and must fit the check's type."""

    name: Name | UnsetType = UNSET
    plugin_type: Annotated[PluginName | UnsetType, Meta(description="May be repeated; may not change.")] = UNSET
    config: Config | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    schedule: Schedule | UnsetType | None = UNSET


class AdHocCheck(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A check that runs once and is not stored."""

    plugin_type: PluginName
    config: Config


class BatchRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stored checks to run concurrently, by id."""

    checks: CheckIds
    max_workers: MaxWorkers = 5
    timeout: BatchTimeout = 30


class AdHocBatchRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Checks to run concurrently without storing them."""

    checks: Annotated[list[AdHocCheck], Meta(min_length=1, max_length=100)]
    max_workers: MaxWorkers = 5
    timeout: BatchTimeout = 30


class BatchItem(Struct, frozen=True, kw_only=True):
    """The outcome of one check in a batch: `result`, or `error`."""

    check_id: str
    result: Result | UnsetType = UNSET
    error: Annotated[str | UnsetType, Meta(description='Why there is no result, such as "timed out".')] = UNSET


class AdHocBatchItem(Struct, frozen=True, kw_only=True):
    """The outcome of one ad-hoc check in a batch: `result`, or `error`."""

    plugin_type: str
    config: Annotated[dict[str, Any] | UnsetType, Meta(description="Secrets masked; absent when it is wrong.")] = UNSET
    result: Result | UnsetType = UNSET
    error: Annotated[str | UnsetType, Meta(description='Why there is no result, such as "timed out".')] = UNSET


class BatchResults(Struct, frozen=True):
    """One item for each check, in the order of the request."""

    results: list[BatchItem]


class AdHocBatchResults(Struct, frozen=True):
    """One item for each check, in the order of the request."""

    results: list[AdHocBatchItem]
