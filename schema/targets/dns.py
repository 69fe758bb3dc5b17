"""Names, and what they resolve to."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from schema.assertions import Assertions
from schema.limits import Host, Port


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
    assertions: Assertions = []
