"""Assertions on a response beyond its arrival. Every monitor type that reports such a value can use them."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct


class FailureStatus(StrEnum):
    """The status of a monitor when an assertion fails."""

    DOWN = "down"
    DEGRADED = "degraded"


class Operator(StrEnum):
    """How a value is compared: numbers with numbers, text with text; an RE2 pattern must match a part of it."""

    EQUALS = "=="
    DIFFERS = "!="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    MORE = ">"
    MORE_OR_EQUAL = ">="
    CONTAINS = "contains"
    CONTAINS_NOT = "not_contains"
    MATCHES = "matches"
    MATCHES_NOT = "not_matches"


class Comparison(StrEnum):
    """The type both sides of a comparison are converted to."""

    NUMBER = "number"
    TEXT = "text"


Compare = Annotated[
    Comparison | None,
    Meta(
        description='`number` takes text for a number (`"42"` in JSON), `text` a number for text (a version `1.10`);'
        " null: as the value is, and text of protocols without types as a number beside another one."
    ),
]


class ResponseTime(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="response_time"
):
    """The response must arrive within so many seconds."""

    max_seconds: Annotated[float, Meta(gt=0, le=600, description="Seconds.")]
    failure_status: FailureStatus = FailureStatus.DEGRADED


class Value(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="value"):
    """The value that was read (a query's first field, a JSON path's match, a payload) must compare as stated."""

    operator: Operator = Operator.EQUALS
    expected: Annotated[str, Meta(max_length=2_048)]
    compare: Compare = None
    failure_status: FailureStatus = FailureStatus.DOWN


class CertificateDays(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="certificate_days"
):
    """The certificate must be valid for at least so many more days."""

    min_days: Annotated[int, Meta(ge=0, le=825)]
    failure_status: FailureStatus = FailureStatus.DEGRADED


Assertion = ResponseTime | Value | CertificateDays
Assertions = Annotated[
    list[Assertion], Meta(max_length=20, description="What must hold of the answer; the worst consequence counts.")
]
