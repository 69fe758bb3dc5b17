"""Signed links in messages, by which a recipient acknowledges an incident without an account.

A link names the incident and the channel it was sent to, and expires. It is signed with a key derived from the
installation's secret for this purpose only. While the secret is being rotated, links signed with the previous one are
still valid.
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
LIFETIME_MS = 7 * 86_400_000  # nobody acknowledges an alert after a week
MAC_BYTES = 16  # 128 bits can't be guessed, and the link still fits into a text message
ACKNOWLEDGEABLE = frozenset({EventKind.MONITOR_DOWN, EventKind.INCIDENT_ESCALATED})  # their messages have a link
_LAYOUT = Layout(">16s16sQ")
_DEFAULT_CLIENT_URL = "http://localhost:3000"  # CLIENT_URL's default: no public address is configured


class ForgedLink(Exception):  # noqa: N818  # names the fact
    """The link was not signed by us, or is incomplete."""


class AckLink(Struct, frozen=True):
    """The content of a link. `expires_ms` is in epoch milliseconds."""

    incident_id: str
    channel_id: str
    expires_ms: int


def url_for(base: str, incident_id: str, channel_id: str, recorded_ms: int) -> str:
    """The address at which a recipient of this channel acknowledges this incident.

    base         the installation's public address, see `base_url`
    recorded_ms  when the delivery was recorded, so that all its attempts carry the same link
    """
    return f"{base.rstrip('/')}{PATH}{token_of(AckLink(incident_id, channel_id, recorded_ms + LIFETIME_MS))}"


def base_url(settings: Settings) -> str:
    """CLIENT_URL if it is set, else the address this installation listens on."""
    if settings.client_url.rstrip("/") != _DEFAULT_CLIENT_URL:
        return settings.client_url.rstrip("/")
    host = "localhost" if settings.server_host in {"0.0.0.0", "::"} else settings.server_host  # noqa: S104  # compared
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.server_port}"


def token_of(link: AckLink) -> str:
    """The signed link, as the last part of an address."""
    payload = _LAYOUT.pack(UUID(link.incident_id).bytes, UUID(link.channel_id).bytes, link.expires_ms)
    return urlsafe_b64encode(payload + _mac(sealing.derive_key(PURPOSE), payload)).decode().rstrip("=")


def read_token(token: str) -> AckLink:
    """The content of a link, expired or not. Raises ForgedLink."""
    raw = _decoded(token)
    payload, mac = raw[: _LAYOUT.size], raw[_LAYOUT.size :]
    if not any(hmac.compare_digest(mac, _mac(key, payload)) for key in sealing.derive_keys(PURPOSE)):
        raise ForgedLink
    incident, channel, expires_ms = _LAYOUT.unpack(payload)
    return AckLink(str(UUID(bytes=incident)), str(UUID(bytes=channel)), expires_ms)


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
