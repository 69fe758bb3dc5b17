"""Targets that are hosts and ports."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.assertions import Assertions, FailureStatus
from schema.field_types import Host, Port, Restricted
from schema.targets.encryption import IgnoreTlsErrors, TlsCa, TlsCert, TlsKey


class Tcp(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="tcp"):
    """A TCP port: does it accept a connection, and does it say what it should."""

    host: Host
    port: Port
    send: Annotated[
        str,
        Meta(
            max_length=4_096,
            extra={"restricted": Restricted.ALL},
            description="Text to send once connected, line ends included. Not shown to viewers.",
        ),
    ] = ""
    expect: Annotated[str, Meta(max_length=1_024, description="Text that the answer must contain.")] = ""
    tls: Annotated[bool, Meta(description="Shake hands before anything is sent.")] = False
    ignore_tls_errors: IgnoreTlsErrors = False
    tls_cert: TlsCert = ""
    tls_key: TlsKey = ""
    tls_ca: TlsCa = ""
    assertions: Assertions = []


class Ping(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="ping"):
    """A host: does it answer ICMP echo, how often, and how evenly."""

    host: Host
    packet_size: Annotated[int, Meta(ge=0, le=65_507, description="Payload in bytes.")] = 56
    count: Annotated[int, Meta(ge=1, le=20, description="Requests; 1 takes the first answer of up to three.")] = 1
    max_loss: Annotated[float, Meta(ge=0, lt=100, description="Percent that may go unanswered.")] | None = None
    max_jitter: Annotated[float, Meta(gt=0, le=60_000, description="Milliseconds, on average.")] | None = None
    failure_status: Annotated[
        FailureStatus, Meta(description="When more is lost, or the answers come less evenly.")
    ] = FailureStatus.DEGRADED
    assertions: Assertions = []
