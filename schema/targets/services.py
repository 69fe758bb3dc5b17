"""Services that speak protocols of their own: remote shells, clocks, directories, devices, calls, containers, games."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from schema.assertions import Assertions, Consequence
from schema.limits import Host, Port, Secret
from schema.targets.encryption import CaCert, IgnoreTlsErrors


class Ssh(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="ssh"):
    """An SSH server: does it greet, show the right key, and let us in."""

    host: Host
    port: Port = 22
    fingerprint: Annotated[
        str,
        Meta(
            max_length=51,
            pattern=r"^(SHA256:[A-Za-z0-9+/]{43})?$",
            description="Of the host key, as `ssh-keygen -l` prints it; empty: any key.",
        ),
    ] = ""
    username: Annotated[str, Meta(max_length=255, description="Log in as this user; empty: don't.")] = ""
    password: Secret = ""
    private_key: Annotated[Secret, Meta(description="OpenSSH or PEM, without a passphrase.")] = ""
    assertions: Assertions = []

    def __post_init__(self) -> None:
        if bool(self.password or self.private_key) != bool(self.username):
            raise ValueError("a login takes a `username` and a `password` or a `private_key`")


class Ntp(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="ntp"):
    """A time server: does it answer, know the time itself, and agree with this machine."""

    host: Host
    port: Port = 123
    max_offset: (
        Annotated[float, Meta(gt=0, le=86_400_000, description="Milliseconds its clock and ours may differ by.")] | None
    ) = None
    otherwise: Annotated[Consequence, Meta(description="When they differ by more.")] = Consequence.DEGRADED
    assertions: Assertions = []


class LdapSecurity(StrEnum):
    """How a directory is spoken to."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class LdapScope(StrEnum):
    """How far below the base a search looks."""

    BASE = "base"
    ONE = "one"
    SUB = "sub"


class Ldap(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="ldap"):
    """A directory: does it answer, let a user bind, and find what it should."""

    host: Host
    port: Port = 389
    security: LdapSecurity = LdapSecurity.NONE
    ca_cert: CaCert = ""
    ignore_tls_errors: IgnoreTlsErrors = False
    bind_dn: Annotated[str, Meta(max_length=1_024, description="Who asks; empty: nobody.")] = ""
    password: Secret = ""
    base: Annotated[str, Meta(max_length=1_024, description="Where a search begins; empty: the root.")] = ""
    scope: LdapScope = LdapScope.SUB
    filter: Annotated[str, Meta(max_length=2_048, description="What to look for (RFC 4515); empty: no search.")] = ""
    attribute: Annotated[
        str,
        Meta(max_length=128, pattern=r"^([A-Za-z0-9][A-Za-z0-9.;-]*)?$", description="Whose first value counts."),
    ] = ""
    assertions: Assertions = []

    def __post_init__(self) -> None:
        if bool(self.password) != bool(self.bind_dn):
            raise ValueError("a bind takes a `bind_dn` and a `password`")
