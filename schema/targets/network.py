"""Hosts and ports."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.assertions import Assertions
from schema.limits import Host, Port


class Tcp(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="tcp"):
    """A TCP port: does it accept a connection, and does it say what it should."""

    host: Host
    port: Port
    send: Annotated[str, Meta(max_length=4_096, description="Text to send once connected, line ends included.")] = ""
    expect: Annotated[str, Meta(max_length=1_024, description="Text that the answer must contain.")] = ""
    tls: Annotated[bool, Meta(description="Shake hands before anything is sent.")] = False
    ignore_tls_errors: bool = False
    assertions: Assertions = []


class Ping(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="ping"):
    """A host: does it answer ICMP echo."""

    host: Host
    packet_size: Annotated[int, Meta(ge=0, le=65_507, description="Payload in bytes.")] = 56
    assertions: Assertions = []
