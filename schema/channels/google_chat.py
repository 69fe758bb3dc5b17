"""Channels of type google_chat."""

from msgspec import Struct

from schema.channels.fields import SecretUrl
from schema.field_types import ProxyId


class GoogleChat(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="google_chat"):
    """A card to a Google Chat webhook."""

    webhook_url: SecretUrl
    proxy_id: ProxyId = ""
