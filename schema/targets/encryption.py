"""Field types of targets with TLS or with a connection string."""

from typing import Annotated

from msgspec import Meta

from schema.field_types import Secret

CaCert = Annotated[str, Meta(max_length=65_536, description="PEM; whom to trust instead of the system's authorities.")]
ClientCert = Annotated[str, Meta(max_length=65_536, description="PEM; how we show who we are.")]
ClientKey = Annotated[Secret, Meta(description="PEM, without a passphrase. Kept sealed; shown as ********.")]
Pem = Annotated[
    str, Meta(max_length=65_536, extra={"secret": True}, description="PEM. Kept sealed; shown as ********.")
]
TlsCert = Annotated[Pem, Meta(description="Client certificate, and its chain.")]
TlsKey = Annotated[Pem, Meta(description="Its private key, without a passphrase.")]
TlsCa = Annotated[Pem, Meta(description="Authorities to trust instead of the system's.")]
IgnoreTlsErrors = Annotated[bool, Meta(description="Take any certificate, and old TLS and ciphers.")]
OptionalHost = Annotated[
    str,
    Meta(
        max_length=253,
        description="A host name or an IP address; empty when there is a connection string.",
    ),
]
ConnectionString = Annotated[
    Secret, Meta(description="All of it in one address, instead of `host` and what goes with it. Kept sealed.")
]


def require_one_address(host: str, connection_string: str) -> None:
    """Raises ValueError unless exactly one of them is given."""
    if bool(host) == bool(connection_string):
        raise ValueError("needs either `host` or `connection_string`")
