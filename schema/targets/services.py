"""Targets with protocols of their own: SSH, NTP, LDAP, SNMP, gRPC, Docker, Steam."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from schema.assertions import Assertions, FailureStatus
from schema.field_types import Body, Host, Port, Secret
from schema.targets.encryption import CaCert, ClientCert, ClientKey, IgnoreTlsErrors


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
    failure_status: Annotated[FailureStatus, Meta(description="When they differ by more.")] = FailureStatus.DEGRADED
    assertions: Assertions = []


class LdapSecurity(StrEnum):
    """How a connection to a directory is encrypted."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class LdapScope(StrEnum):
    """How far below the base a search goes."""

    BASE = "base"
    ONE = "one"
    SUB = "sub"


class Ldap(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="ldap"):
    """A directory: does it answer, let a user bind, and find what it should."""

    host: Host
    port: Port = 389
    security: LdapSecurity = LdapSecurity.NONE
    ca_cert: CaCert = ""
    client_cert: ClientCert = ""
    client_key: ClientKey = ""
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


class SnmpVersion(StrEnum):
    """Versions of SNMP."""

    V1 = "1"
    V2C = "2c"
    V3 = "3"


NO_PROTOCOL = "none"


class SnmpAuth(StrEnum):
    """Authentication protocols of SNMP version 3."""

    NONE = NO_PROTOCOL
    MD5 = "md5"
    SHA = "sha"
    SHA224 = "sha224"
    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"


class SnmpPrivacy(StrEnum):
    """Privacy protocols of SNMP version 3: AES with its key size, or DES for devices without AES.

    Longer keys are not standardised: `aes192` and `aes256` derive them like Net-SNMP (Blumenthal), `aes192c` and
    `aes256c` like Cisco's and many other devices (Reeder).
    """

    NONE = NO_PROTOCOL
    DES = "des"
    AES = "aes"
    AES192 = "aes192"
    AES256 = "aes256"
    AES192C = "aes192c"
    AES256C = "aes256c"


class Snmp(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="snmp"):
    """A device: does it answer SNMP, and what does it say of one object."""

    host: Host
    port: Port = 161
    version: SnmpVersion = SnmpVersion.V2C
    oid: Annotated[
        str, Meta(max_length=512, pattern=r"^\.?[0-2](\.[0-9]+){1,127}$", description="The object, in numbers.")
    ]
    community: Annotated[Secret, Meta(description="Of versions 1 and 2c.")] = "public"
    username: Annotated[str, Meta(max_length=32, description="Of version 3.")] = ""
    auth_protocol: SnmpAuth = SnmpAuth.NONE
    auth_password: Secret = ""
    priv_protocol: SnmpPrivacy = SnmpPrivacy.NONE
    priv_password: Secret = ""
    context: Annotated[str, Meta(max_length=64, description="Of version 3; most devices have only the empty one.")] = ""
    assertions: Assertions = []

    def __post_init__(self) -> None:
        if self.version is SnmpVersion.V3 and not self.username:
            raise ValueError("version 3 takes a `username`")
        for protocol, password in (("auth", self.auth_password), ("priv", self.priv_password)):
            if (getattr(self, f"{protocol}_protocol").value != NO_PROTOCOL) != bool(password):
                raise ValueError(f"an `{protocol}_protocol` takes an `{protocol}_password`, and the other way round")
        if self.priv_password and not self.auth_password:
            raise ValueError("privacy takes authentication: set `auth_protocol` and `auth_password` too")


class Grpc(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="grpc"):
    """A gRPC server: does it say that it serves, or what does a method of it reply."""

    host: Host
    port: Port
    tls: bool = False
    ca_cert: CaCert = ""
    client_cert: ClientCert = ""
    client_key: ClientKey = ""
    ignore_tls_errors: IgnoreTlsErrors = False
    service: Annotated[str, Meta(max_length=255, description="Whose health; empty: the server's as a whole.")] = ""
    method: Annotated[
        str,
        Meta(
            max_length=512,
            pattern=r"^([A-Za-z_][A-Za-z0-9_.]*/[A-Za-z_][A-Za-z0-9_]*)?$",
            description="`package.Service/Method` to call instead; the server must offer reflection.",
        ),
    ] = ""
    body: Annotated[Body, Meta(description="The request, as JSON. Not shown to viewers.")] = ""
    keyword: Annotated[str, Meta(max_length=1_024, description="Text the reply's JSON must contain.")] = ""
    invert_keyword: Annotated[bool, Meta(description="The keyword must be absent instead.")] = False
    assertions: Assertions = []

    def __post_init__(self) -> None:
        if not self.method and (self.body or self.keyword):
            raise ValueError("a `body` and a `keyword` take a `method`")


class Docker(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="docker"):
    """A container: does it run, and is it healthy."""

    container: Annotated[
        str, Meta(max_length=255, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="Its name or id.")
    ]
    daemon: Annotated[
        str,
        Meta(
            max_length=512,
            pattern=r"^(unix:///[^\s?#]+|tcp://([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5})$",
            description="Where the Docker Engine listens, as in `DOCKER_HOST`.",
        ),
    ] = "unix:///var/run/docker.sock"
    tls: Annotated[bool, Meta(description="Of `tcp://`.")] = False
    ca_cert: CaCert = ""
    client_cert: ClientCert = ""
    client_key: ClientKey = ""
    ignore_tls_errors: IgnoreTlsErrors = False
    assertions: Assertions = []

    def __post_init__(self) -> None:
        if bool(self.client_cert) != bool(self.client_key):
            raise ValueError("a `client_cert` and a `client_key` go together")
        if (self.client_cert or self.ca_cert or self.tls) and not self.daemon.startswith("tcp:"):
            raise ValueError("TLS takes a `daemon` at `tcp://`")


class Steam(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="steam"):
    """A game server: does it answer a Steam server query, and how many play."""

    host: Host
    port: Annotated[Port, Meta(description="Its query port; often the game's own, or one more.")] = 27_015
    map: Annotated[str, Meta(max_length=128, description="The map that must be played; empty: any.")] = ""
    assertions: Assertions = []
