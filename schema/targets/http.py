"""HTTP(S) targets: an answer, its words, its speed and its certificate."""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from schema.assertions import Assertions
from schema.limits import Secret
from schema.targets.address import Url

StatusCodes = Annotated[
    str,
    Meta(
        max_length=11,
        pattern=r"^([1-5][0-9]{2}|[1-5][xX]{2}|[1-5][0-9]{2}-[1-5][0-9]{2})$",
        description="One code (204), a class (2XX) or a range (200-299).",
    ),
]


class Method(StrEnum):
    """HTTP methods a check may use."""

    GET = "GET"
    HEAD = "HEAD"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"
    OPTIONS = "OPTIONS"


class BasicAuth(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="method", tag="basic"):
    """User name and password, sent with every request."""

    username: Annotated[str, Meta(max_length=255)]
    password: Secret = ""


class BearerAuth(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="method", tag="bearer"):
    """A token, sent as `Authorization: Bearer`."""

    token: Secret


class Http(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="http"):
    """An HTTP(S) address: its answer, its words, its speed and its certificate."""

    url: Url
    method: Method = Method.GET
    headers: Annotated[dict[Annotated[str, Meta(max_length=128)], Secret], Meta(max_length=50)] = {}
    body: Annotated[str, Meta(max_length=65_536)] = ""
    accepted_statuscodes: Annotated[list[StatusCodes], Meta(min_length=1, max_length=20)] = msgspec.field(
        default_factory=lambda: ["2XX"]
    )
    max_redirects: Annotated[int, Meta(ge=0, le=20, description="0 takes a redirect as the answer.")] = 10
    ignore_tls_errors: bool = False
    keyword: Annotated[str, Meta(max_length=1_024, description="Text the body must contain.")] = ""
    invert_keyword: Annotated[bool, Meta(description="The keyword must be absent instead.")] = False
    auth: BasicAuth | BearerAuth | None = None
    degraded_after: Annotated[
        float | None, Meta(description="Seconds after which a passing answer counts as degraded.")
    ] = None
    check_cert_expiry: Annotated[bool, Meta(description="Degraded when the certificate ends soon.")] = False
    cert_warning_days: Annotated[int, Meta(ge=1, le=398)] = 14
    assertions: Assertions = []
