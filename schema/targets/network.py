"""Targets that are hosts and ports."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.assertions import Assertions, FailureStatus
from schema.field_types import Host, Port, Restricted
from schema.targets.encryption import IgnoreTlsErrors, TlsCa, TlsCert, TlsKey


class Tcp(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="tcp"):
    """A TCP port: checks that it accepts a connection, and what it responds."""

    host: Host
    port: Port
    send: Annotated[
        str,
        Meta(
            max_length=4_096,
            extra={"restricted": Restricted.ALL},
            description="Text to send after connecting, with its line ends. Not shown to viewers.",
        ),
    ] = ""
    expect: Annotated[str, Meta(max_length=1_024, description="Text that the response must contain.")] = ""
    tls: Annotated[bool, Meta(description="Connect with TLS.")] = False
    ignore_tls_errors: IgnoreTlsErrors = False
    tls_cert: TlsCert = ""
    tls_key: TlsKey = ""
    tls_ca: TlsCa = ""
    assertions: Assertions = []


class Ping(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="ping"):
    """A host: checks ICMP echo, packet loss and jitter."""

    host: Host
    packet_size: Annotated[int, Meta(ge=0, le=65_507, description="Payload in bytes.")] = 56
    count: Annotated[
        int,
        Meta(
            ge=1,
            le=20,
            description="Echo requests per check. 1: passes with the first response of up to three.",
        ),
    ] = 1
    max_loss: (
        Annotated[float, Meta(ge=0, lt=100, description="Highest packet loss, in percent. null: a response is enough.")]
        | None
    ) = None
    max_jitter: (
        Annotated[float, Meta(gt=0, le=60_000, description="Highest average jitter, in milliseconds. null: any.")]
        | None
    ) = None
    failure_status: Annotated[FailureStatus, Meta(description="Status beyond these limits: `degraded` or `down`.")] = (
        FailureStatus.DEGRADED
    )
    assertions: Assertions = []
