"""What can be watched: one struct per monitor type, the tagged union of them all, and what a type is called.

A new type is one struct here, one file in `actors/probes/`, one page in `docs/monitors/`.
"""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from schema.limits import Host, Port, Secret

Url = Annotated[
    str,
    Meta(
        min_length=8,
        max_length=2_048,
        pattern=r"^https?://[^\s@/?#]+(?:[/?#]\S*)?$",
        description="An http or https address without credentials in it; those have fields of their own.",
        examples=["https://example.org/"],
    ),
]
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


class RecordType(StrEnum):
    """DNS record types a check may ask for."""

    A = "A"
    AAAA = "AAAA"
    CAA = "CAA"
    CNAME = "CNAME"
    MX = "MX"
    NS = "NS"
    PTR = "PTR"
    SOA = "SOA"
    SRV = "SRV"
    TXT = "TXT"


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


class Tcp(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="tcp"):
    """A TCP port: does it accept a connection."""

    host: Host
    port: Port


class Ping(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="ping"):
    """A host: does it answer ICMP echo."""

    host: Host
    packet_size: Annotated[int, Meta(ge=0, le=65_507, description="Payload in bytes.")] = 56


class Dns(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="dns"):
    """A name: does it resolve, and to what."""

    host: Host
    resolve_type: RecordType = RecordType.A
    resolver_server: Annotated[str, Meta(max_length=45, description="IP address; empty: the system's resolver.")] = ""
    port: Port = 53
    expected: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=512)]],
        Meta(max_length=20, description="Values that must all be among the answers."),
    ] = []


class Push(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="push"):
    """A job or a service that reports to us; silence longer than the interval is a failure."""

    token: Annotated[
        str, Meta(pattern=r"^([A-Za-z0-9_-]{16,64})?$", description="Part of the push address; made when empty.")
    ] = ""


Target = Http | Tcp | Ping | Dns | Push
TARGETS: dict[str, type[Target]] = {"http": Http, "tcp": Tcp, "ping": Ping, "dns": Dns, "push": Push}
