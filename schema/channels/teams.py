"""Channels of type teams."""

from msgspec import Struct

from schema.channels.fields import SecretUrl
from schema.field_types import ProxyId


class Teams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="teams"):
    """A card to a Microsoft Teams workflow."""

    webhook_url: SecretUrl
    proxy_id: ProxyId = ""
