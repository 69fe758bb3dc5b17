"""Targets that are TLS certificates."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.assertions import Assertions
from schema.field_types import Host, Port
from schema.targets.encryption import TlsCa, TlsCert, TlsKey

Days = Annotated[int, Meta(ge=0, le=3_650)]


class Ssl(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="ssl"):
    """The certificate of a TLS server: checks its expiry, its host name and its chain.

    Document 002 calls `host` `hostname`, and accepts a URL there too; all other names are its own.
    """

    host: Host
    port: Port = 443
    warning_days: Annotated[
        Days, Meta(description="Degraded when the certificate expires within this number of days.")
    ] = 30
    critical_days: Annotated[
        Days, Meta(description="Down when the certificate expires within this number of days.")
    ] = 14
    check_chain: Annotated[bool, Meta(description="Require a chain to a trusted authority.")] = False
    verify_hostname: Annotated[bool, Meta(description="Require that the certificate is for this host.")] = True
    server_name: Annotated[
        str,
        Meta(
            max_length=253,
            description="Server name to send (SNI) and to compare with the certificate. Empty: the host.",
        ),
    ] = ""
    tls_cert: TlsCert = ""
    tls_key: TlsKey = ""
    tls_ca: TlsCa = ""
    assertions: Assertions = []
