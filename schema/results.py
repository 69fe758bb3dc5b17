"""Results: heartbeats in the terms of document 002. A result is a heartbeat with the same id."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from schema.status import Status

Period = Literal["day", "week", "month"]


class ResultStatus(StrEnum):
    """The status of a result."""

    SUCCESS = "success"
    WARNING = "warning"
    ERROR = "error"


RESULT_STATUSES: dict[Status, ResultStatus] = {
    Status.DOWN: ResultStatus.ERROR,
    Status.UP: ResultStatus.SUCCESS,
    Status.PENDING: ResultStatus.WARNING,  # failing, but nobody was alerted yet
    Status.MAINTENANCE: ResultStatus.SUCCESS,
    Status.DEGRADED: ResultStatus.WARNING,
    Status.UNKNOWN: ResultStatus.WARNING,  # our error, never the target's
}


class Result(Struct, frozen=True, kw_only=True):
    """The result of one check; both ids are null when it was not stored."""

    id: Annotated[str | None, Meta(description="Opaque id. null: not stored.")]
    check_id: str | None
    status: ResultStatus
    message: str
    response_time: Annotated[float | None, Meta(description="Duration of the check, in seconds.")]
    raw_data: Annotated[
        dict[str, Any],
        Meta(description="Details of the result, such as status code and headers. Empty for most successful checks."),
    ]
    executed_at: datetime


class Results(Struct, frozen=True, kw_only=True):
    """One page of results, newest first."""

    results: list[Result]
    page: int
    per_page: int
    total: Annotated[int, Meta(description="Number of results, counted up to 100,000.")]
    pages: int


class ResultShare(Struct, frozen=True):
    """How many results had this status."""

    count: int
    percent: float


class ResultSummary(Struct, frozen=True, kw_only=True):
    """Counts of results in a period."""

    period: Period
    from_date: datetime
    to_date: datetime
    total_checks: Annotated[int, Meta(description="Number of results in the period.")]
    statuses: Annotated[dict[str, ResultShare], Meta(description="Counts by status: success, warning, error.")]
