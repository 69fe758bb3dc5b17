"""Field types of targets with TLS or with a connection string."""

from typing import Annotated

from msgspec import Meta

from schema.field_types import Secret

CaCert = Annotated[
    str, Meta(max_length=65_536, description="CA certificates to trust instead of the system's, in PEM.")
]
ClientCert = Annotated[str, Meta(max_length=65_536, description="Client certificate, in PEM.")]
ClientKey = Annotated[
    Secret,
    Meta(
        description="Private key of the client certificate, in PEM without a passphrase."
        " Stored encrypted; shown as ********."
    ),
]
Pem = Annotated[
    str, Meta(max_length=65_536, extra={"secret": True}, description="PEM. Stored encrypted; shown as ********.")
]
TlsCert = Annotated[
    Pem, Meta(description="Client certificate and its chain, in PEM. Stored encrypted; shown as ********.")
]
TlsKey = Annotated[
    Pem,
    Meta(
        description="Private key of the client certificate, in PEM without a passphrase."
        " Stored encrypted; shown as ********."
    ),
]
TlsCa = Annotated[
    Pem,
    Meta(description="CA certificates to trust instead of the system's, in PEM. Stored encrypted; shown as ********."),
]
IgnoreTlsErrors = Annotated[bool, Meta(description="Accept invalid certificates, old TLS versions and weak ciphers.")]
OptionalHost = Annotated[
    str,
    Meta(
        max_length=253,
        description="Host name or IP address. Empty if `connection_string` is set.",
    ),
]
ConnectionString = Annotated[
    Secret,
    Meta(description="Connection string, instead of `host` and its fields. Stored encrypted; shown as ********."),
]


def require_one_address(host: str, connection_string: str) -> None:
    """Raises ValueError unless exactly one of them is given."""
    if bool(host) == bool(connection_string):
        raise ValueError("needs either `host` or `connection_string`")
