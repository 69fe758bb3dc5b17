"""The relying party that passkeys are bound to, and a passkey as stored. `webauthn` verifies them."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from msgspec import Struct

from app.errors import Conflict, Forbidden
from app.security.auth import principals
from app.security.auth.principals import Connection

FOREIGN_ORIGIN = "Passkeys work only on pages of CLIENT_URL or of this host."
PASSKEY_NOT_VERIFIED = "The passkey could not be verified. Start again."


class RelyingParty(Struct, frozen=True):
    """The host a passkey is bound to, and the origin whose pages may use it."""

    rp_id: str
    origin: str


class StoredPasskey(Struct, frozen=True):
    """The stored part of a passkey, needed to verify it. Identifier and key are base64url."""

    credential_id: str
    public_key: str
    sign_count: int
    transports: list[str]


def relying_party_of(connection: Connection) -> RelyingParty:
    """The relying party for the calling page, which must be of CLIENT_URL or of our own host.

    Without `Origin` the call does not come from a foreign page, so our own host is used.
    raises    Forbidden for another origin, Conflict for a bare IP address
    """
    origin = connection.headers.get("Origin")
    if origin is None:
        origin = f"{connection.url.scheme}://{connection.headers.get('Host', '')}"
    elif not principals.is_same_origin(connection):
        raise Forbidden(FOREIGN_ORIGIN)
    host = _host_of(origin)
    if _is_address(host):
        raise Conflict("Passkeys need a host name instead of an IP address. Open Watchkeeper by its host name.")
    return RelyingParty(host, origin)


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).hostname or ""
    except ValueError as error:  # such as an unclosed bracket
        raise Forbidden(FOREIGN_ORIGIN) from error


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
