"""Targets that are TLS certificates."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.assertions import Assertions
from schema.field_types import Host, Port
from schema.targets.encryption import TlsCa, TlsCert, TlsKey

Days = Annotated[int, Meta(ge=0, le=3_650)]


class Ssl(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="ssl"):
    """The certificate of a TLS server: how long it lasts, whom it is for, who stands for it.

    Document 002 calls `host` `hostname`, and takes an address there too; everything else has its names.
    """

    host: Host
    port: Port = 443
    warning_days: Annotated[Days, Meta(description="Degraded when the certificate ends in so many days or fewer.")] = 30
    critical_days: Annotated[Days, Meta(description="Down when it ends in so many days or fewer.")] = 14
    check_chain: Annotated[bool, Meta(description="An authority that we trust must stand for it.")] = False
    verify_hostname: Annotated[bool, Meta(description="It must be for this host.")] = True
    server_name: Annotated[
        str,
        Meta(
            max_length=253,
            description="The name to ask for and to compare with; empty: the host.",
        ),
    ] = ""
    tls_cert: TlsCert = ""
    tls_key: TlsKey = ""
    tls_ca: TlsCa = ""
    assertions: Assertions = []
