"""Assertions on a response beyond its arrival. Every monitor type that reports such a value can use them."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct


class FailureStatus(StrEnum):
    """The status of a monitor when an assertion fails."""

    DOWN = "down"
    DEGRADED = "degraded"


class Operator(StrEnum):
    """How a value is compared. `matches` takes an RE2 pattern, which must match a part of the text."""

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
        description='How to compare: `number` converts text to a number (`"42"` in JSON), `text` a number to text'
        " (a version `1.10`). null: the value keeps its type; text of protocols without types is compared as a number"
        " if both sides are numbers."
    ),
]


DegradedByDefault = Annotated[
    FailureStatus, Meta(description="Status when the assertion fails: `degraded` (default) or `down`.")
]
DownByDefault = Annotated[
    FailureStatus, Meta(description="Status when the assertion fails: `down` (default) or `degraded`.")
]


class ResponseTime(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="response_time"
):
    """The check must not take longer than this."""

    max_seconds: Annotated[float, Meta(gt=0, le=600, description="Longest allowed duration of the check, in seconds.")]
    failure_status: DegradedByDefault = FailureStatus.DEGRADED


class Value(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="value"):
    """The value that the check read must pass a comparison: a query's first column, a JSON match or a payload."""

    operator: Annotated[Operator, Meta(description="How to compare. Default: `==`.")] = Operator.EQUALS
    expected: Annotated[
        str, Meta(max_length=2_048, description="The value to compare with; an RE2 pattern for `matches`.")
    ]
    compare: Compare = None
    failure_status: DownByDefault = FailureStatus.DOWN


class CertificateDays(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="certificate_days"
):
    """The certificate must be valid for a minimum number of days."""

    min_days: Annotated[int, Meta(ge=0, le=825, description="Fewest days until the certificate expires.")]
    failure_status: DegradedByDefault = FailureStatus.DEGRADED


Assertion = ResponseTime | Value | CertificateDays
Assertions = Annotated[
    list[Assertion],
    Meta(
        max_length=20,
        description="Conditions on the result. Every condition is checked, and the worst `failure_status` applies.",
    ),
]
