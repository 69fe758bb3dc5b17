"""Assertions: what must hold of an answer beyond "it came". Every monitor type that has such a fact can use them."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct


class FailureStatus(StrEnum):
    """What a monitor is when an assertion does not hold."""

    DOWN = "down"
    DEGRADED = "degraded"


class Operator(StrEnum):
    """How a value is compared: numbers with numbers, text with text; a pattern (RE2) needs a part that fits."""

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
    """What both sides of a comparison are taken for."""

    NUMBER = "number"
    TEXT = "text"


Compare = Annotated[
    Comparison | None,
    Meta(
        description='`number` takes text for a number (`"42"` in JSON), `text` a number for text (a version `1.10`);'
        " null: as the value is, and text of protocols without types as a number beside another one."
    ),
]


class ResponseTime(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="on", tag="response_time"):
    """The answer must come within so many seconds."""

    within: Annotated[float, Meta(gt=0, le=600, description="Seconds.")]
    otherwise: FailureStatus = FailureStatus.DEGRADED


class Value(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="on", tag="value"):
    """The value that was read (a query's first field, a JSON path's hit, a payload) must compare."""

    operator: Operator = Operator.EQUALS
    expected: Annotated[str, Meta(max_length=2_048)]
    compare: Compare = None
    otherwise: FailureStatus = FailureStatus.DOWN


class CertificateDays(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="on", tag="certificate_days"
):
    """The certificate must hold for at least so many days more."""

    at_least: Annotated[int, Meta(ge=0, le=825)]
    otherwise: FailureStatus = FailureStatus.DEGRADED


Assertion = ResponseTime | Value | CertificateDays
Assertions = Annotated[
    list[Assertion], Meta(max_length=20, description="What must hold of the answer; the worst consequence counts.")
]
