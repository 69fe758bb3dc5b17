"""Checks: monitors in the terms of document 002. A check is a monitor with the same id; only field names differ."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from schema.field_types import Name, Uuid
from schema.results import Result

PluginName = Annotated[
    str, Meta(min_length=1, max_length=64, description="Name of a plugin from `GET /plugins`, or one of its aliases.")
]
Config = Annotated[
    dict[str, Any],
    Meta(
        description="Config of the plugin, see `GET /plugins/{name}`. `timeout`: time limit of one check, in seconds."
    ),
]
Schedule = Annotated[
    str,
    Meta(
        max_length=100,
        description='"every 5 minutes" (or seconds, hours, days), or a cron expression with five fields.',
        examples=["every 5 minutes"],
    ),
]
CheckIds = Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(min_length=1, max_length=100)]
MaxWorkers = Annotated[
    int, Meta(description="How many checks run at once, 1 to 20. Other numbers are moved into this range.")
]
BatchTimeout = Annotated[
    float,
    Meta(
        gt=0,
        le=600,
        description="Time limit for the whole batch, in seconds. Checks that finish in time keep their results.",
    ),
]


class Check(Struct, frozen=True, kw_only=True):
    """A check as returned, with secrets masked."""

    id: Uuid
    name: str
    plugin_type: str
    config: dict[str, Any]
    enabled: bool
    schedule: Annotated[str | None, Meta(description="null: the check runs on demand only.")]
    last_run: Annotated[datetime | None, Meta(description="Due time of the newest result.")]
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
    """A new check."""

    name: Name
    plugin_type: PluginName
    config: Config
    enabled: bool = True
    schedule: Schedule | None = None


class CheckPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes to a check. Absent fields stay; `config` is replaced as a whole."""

    name: Name | UnsetType = UNSET
    plugin_type: Annotated[
        PluginName | UnsetType, Meta(description="The plugin can't be changed; the same name is accepted.")
    ] = UNSET
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
    config: Annotated[
        dict[str, Any] | UnsetType, Meta(description="The config with secrets masked. Absent when it is invalid.")
    ] = UNSET
    result: Result | UnsetType = UNSET
    error: Annotated[str | UnsetType, Meta(description='Why there is no result, such as "timed out".')] = UNSET


class BatchResults(Struct, frozen=True):
    """One item for each check, in the order of the request."""

    results: list[BatchItem]


class AdHocBatchResults(Struct, frozen=True):
    """One item for each check, in the order of the request."""

    results: list[AdHocBatchItem]
