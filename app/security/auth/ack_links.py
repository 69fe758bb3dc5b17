"""Links in messages that acknowledge an incident: whoever was told may answer, without an account.

A link names the incident and the channel it was sent to, and ends; it is signed with a key of its own, derived from
the installation's secret, and opens nothing else. While the secret is being rotated, links of the one before hold.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from struct import Struct as Layout
from uuid import UUID

from msgspec import Struct

from app.security.secrets import sealing
from app.settings import Settings
from schema.events import EventKind

PATH = "/ack/"
PURPOSE = "acknowledgement link"
LIFETIME_MS = 7 * 86_400_000  # a message is answered within the week, or it was no message to answer
MAC_BYTES = 16  # 128 bits nobody guesses, and a link that still fits into a text message
ACKNOWLEDGEABLE = frozenset(
    {EventKind.MONITOR_DOWN, EventKind.INCIDENT_ESCALATED}
)  # events whose messages want an answer
_LAYOUT = Layout(">16s16sQ")
_DEFAULT_CLIENT_URL = "http://localhost:3000"  # CLIENT_URL's default: nobody has said where people see us


class ForgedLink(Exception):  # noqa: N818  # names the fact
    """Not one of our links, or not all of it."""


class AckLink(Struct, frozen=True):
    """What a link says. `ends_ms`: from when on it is of no use."""

    incident_id: str
    channel_id: str
    expires_ms: int


def url_for(base: str, incident_id: str, channel_id: str, recorded_ms: int) -> str:
    """Where who is told by this channel acknowledges this incident.

    base      of the addresses people see us at, as `base_of` has it
    since_ms  when the telling was owed: every attempt of a delivery has the same link
    """
    return f"{base.rstrip('/')}{PATH}{token_of(AckLink(incident_id, channel_id, recorded_ms + LIFETIME_MS))}"


def base_url(settings: Settings) -> str:
    """CLIENT_URL where it is set; else the address this installation listens on."""
    if settings.client_url.rstrip("/") != _DEFAULT_CLIENT_URL:
        return settings.client_url.rstrip("/")
    host = "localhost" if settings.server_host in {"0.0.0.0", "::"} else settings.server_host  # noqa: S104  # compared
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.server_port}"


def token_of(link: AckLink) -> str:
    """The link as the end of an address."""
    said = _LAYOUT.pack(UUID(link.incident_id).bytes, UUID(link.channel_id).bytes, link.expires_ms)
    return urlsafe_b64encode(said + _mac(sealing.derive_key(PURPOSE), said)).decode().rstrip("=")


def read_token(token: str) -> AckLink:
    """What a link of ours says, whether it has ended or not. Raises Forged."""
    raw = _decoded(token)
    said, mac = raw[: _LAYOUT.size], raw[_LAYOUT.size :]
    if not any(hmac.compare_digest(mac, _mac(key, said)) for key in sealing.derive_keys(PURPOSE)):
        raise ForgedLink
    incident, channel, ends_ms = _LAYOUT.unpack(said)
    return AckLink(str(UUID(bytes=incident)), str(UUID(bytes=channel)), ends_ms)


def _decoded(token: str) -> bytes:
    try:
        raw = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except ValueError as error:
        raise ForgedLink from error
    if len(raw) != _LAYOUT.size + MAC_BYTES:
        raise ForgedLink
    return raw


def _mac(key: bytes, payload: bytes) -> bytes:
    return hmac.digest(key, payload, "sha256")[:MAC_BYTES]
