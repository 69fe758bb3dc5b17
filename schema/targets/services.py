"""Targets with protocols of their own: SSH, NTP, LDAP, SNMP, gRPC, Docker, Steam."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from schema.assertions import Assertions, FailureStatus
from schema.field_types import Body, Host, Port, Secret
from schema.targets.encryption import CaCert, ClientCert, ClientKey, IgnoreTlsErrors


class Ssh(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="ssh"):
    """An SSH server: checks the greeting, the host key and a login."""

    host: Host
    port: Port = 22
    fingerprint: Annotated[
        str,
        Meta(
            max_length=51,
            pattern=r"^(SHA256:[A-Za-z0-9+/]{43})?$",
            description="SHA-256 fingerprint of the host key, as `ssh-keygen -l` prints it. Empty: any key.",
        ),
    ] = ""
    username: Annotated[str, Meta(max_length=255, description="User to log in as. Empty: no login.")] = ""
    password: Secret = ""
    private_key: Annotated[
        Secret,
        Meta(
            description="Private key in OpenSSH or PEM format, without a passphrase."
            " Stored encrypted; shown as ********."
        ),
    ] = ""
    assertions: Assertions = []

    def __post_init__(self) -> None:
        if bool(self.password or self.private_key) != bool(self.username):
            raise ValueError("a login takes a `username` and a `password` or a `private_key`")


class Ntp(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="ntp"):
    """A time server: checks that it responds, is synchronized, and differs little from this machine."""

    host: Host
    port: Port = 123
    max_offset: (
        Annotated[
            float,
            Meta(
                gt=0,
                le=86_400_000,
                description="Largest difference between the server's clock and ours, in milliseconds. null: any.",
            ),
        ]
        | None
    ) = None
    failure_status: Annotated[
        FailureStatus, Meta(description="Status when they differ by more: `degraded` or `down`.")
    ] = FailureStatus.DEGRADED
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
    """An LDAP directory: checks a bind, and that a search finds an entry."""

    host: Host
    port: Port = 389
    security: Annotated[LdapSecurity, Meta(description="Encryption: none, starttls, or tls from the start.")] = (
        LdapSecurity.NONE
    )
    ca_cert: CaCert = ""
    client_cert: ClientCert = ""
    client_key: ClientKey = ""
    ignore_tls_errors: IgnoreTlsErrors = False
    bind_dn: Annotated[str, Meta(max_length=1_024, description="DN to bind as. Empty: an anonymous bind.")] = ""
    password: Secret = ""
    base: Annotated[str, Meta(max_length=1_024, description="Base DN of the search. Empty: the root.")] = ""
    scope: Annotated[LdapScope, Meta(description="Scope of the search: base, one (level) or sub (tree).")] = (
        LdapScope.SUB
    )
    filter: Annotated[str, Meta(max_length=2_048, description="Search filter (RFC 4515). Empty: no search.")] = ""
    attribute: Annotated[
        str,
        Meta(
            max_length=128,
            pattern=r"^([A-Za-z0-9][A-Za-z0-9.;-]*)?$",
            description="Attribute whose first value is the value for assertions.",
        ),
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
    """A device: reads one object over SNMP."""

    host: Host
    port: Port = 161
    version: Annotated[SnmpVersion, Meta(description="SNMP version: 1, 2c or 3.")] = SnmpVersion.V2C
    oid: Annotated[
        str, Meta(max_length=512, pattern=r"^\.?[0-2](\.[0-9]+){1,127}$", description="OID of the object, in numbers.")
    ]
    community: Annotated[
        Secret,
        Meta(description="Community, for versions 1 and 2c. Stored encrypted; shown as ********."),
    ] = "public"
    username: Annotated[str, Meta(max_length=32, description="User name, for version 3.")] = ""
    auth_protocol: Annotated[SnmpAuth, Meta(description="Authentication protocol, for version 3.")] = SnmpAuth.NONE
    auth_password: Secret = ""
    priv_protocol: Annotated[SnmpPrivacy, Meta(description="Encryption protocol, for version 3.")] = SnmpPrivacy.NONE
    priv_password: Secret = ""
    context: Annotated[
        str, Meta(max_length=64, description="Context, for version 3. Most devices have only the empty one.")
    ] = ""
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
    """A gRPC server: checks its health service, or the response of a method."""

    host: Host
    port: Port
    tls: Annotated[bool, Meta(description="Connect with TLS.")] = False
    ca_cert: CaCert = ""
    client_cert: ClientCert = ""
    client_key: ClientKey = ""
    ignore_tls_errors: IgnoreTlsErrors = False
    service: Annotated[
        str, Meta(max_length=255, description="Service whose health is checked. Empty: the whole server.")
    ] = ""
    method: Annotated[
        str,
        Meta(
            max_length=512,
            pattern=r"^([A-Za-z_][A-Za-z0-9_.]*/[A-Za-z_][A-Za-z0-9_]*)?$",
            description="Method to call instead, as `package.Service/Method`. The server must support reflection.",
        ),
    ] = ""
    body: Annotated[Body, Meta(description="Request of the method, as JSON. Not shown to viewers.")] = ""
    keyword: Annotated[str, Meta(max_length=1_024, description="Text that the response, as JSON, must contain.")] = ""
    invert_keyword: Annotated[bool, Meta(description="The keyword must be absent instead.")] = False
    assertions: Assertions = []

    def __post_init__(self) -> None:
        if not self.method and (self.body or self.keyword):
            raise ValueError("a `body` and a `keyword` take a `method`")


class Docker(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="docker"):
    """A container: checks that it runs and is healthy."""

    container: Annotated[
        str, Meta(max_length=255, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="Name or id of the container.")
    ]
    daemon: Annotated[
        str,
        Meta(
            max_length=512,
            pattern=r"^(unix:///[^\s?#]+|tcp://([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5})$",
            description="Address of the Docker Engine, as in `DOCKER_HOST`.",
        ),
    ] = "unix:///var/run/docker.sock"
    tls: Annotated[bool, Meta(description="Connect with TLS, for `tcp://`.")] = False
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
    """A game server: checks a Steam server query, and reads the number of players."""

    host: Host
    port: Annotated[Port, Meta(description="Query port: often the port of the game, or one higher.")] = 27_015
    map: Annotated[str, Meta(max_length=128, description="Map that must be running. Empty: any.")] = ""
    assertions: Assertions = []
