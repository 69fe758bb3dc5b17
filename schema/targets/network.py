"""Hosts and ports."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.assertions import Assertions
from schema.limits import Host, Port


class Tcp(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="tcp"):
    """A TCP port: does it accept a connection."""

    host: Host
    port: Port
    assertions: Assertions = []


class Ping(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="ping"):
    """A host: does it answer ICMP echo."""

    host: Host
    packet_size: Annotated[int, Meta(ge=0, le=65_507, description="Payload in bytes.")] = 56
    assertions: Assertions = []
