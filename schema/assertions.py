"""Assertions: what must hold of an answer beyond "it came". Every monitor type that has such a fact can use them."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct


class Consequence(StrEnum):
    """What a monitor is when an assertion does not hold."""

    DOWN = "down"
    DEGRADED = "degraded"


class Operator(StrEnum):
    """How a value is compared: as numbers when both sides are numbers, else as text."""

    EQUALS = "=="
    DIFFERS = "!="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    MORE = ">"
    MORE_OR_EQUAL = ">="
    CONTAINS = "contains"
    CONTAINS_NOT = "not_contains"


class ResponseTime(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="on", tag="response_time"):
    """The answer must come within so many seconds."""

    within: Annotated[float, Meta(gt=0, le=600, description="Seconds.")]
    otherwise: Consequence = Consequence.DEGRADED


class Value(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="on", tag="value"):
    """The value that was read (a query's first field, a JSON path's hit, a payload) must compare."""

    operator: Operator = Operator.EQUALS
    expected: Annotated[str, Meta(max_length=2_048)]
    otherwise: Consequence = Consequence.DOWN


class CertificateDays(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="on", tag="certificate_days"
):
    """The certificate must hold for at least so many days more."""

    at_least: Annotated[int, Meta(ge=0, le=825)]
    otherwise: Consequence = Consequence.DEGRADED


Assertion = ResponseTime | Value | CertificateDays
Assertions = Annotated[
    list[Assertion], Meta(max_length=20, description="What must hold of the answer; the worst consequence counts.")
]
