"""Channels of type discord."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.channels.fields import SecretUrl
from schema.field_types import ProxyId


class Discord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="discord"):
    """An embed to a Discord webhook."""

    webhook_url: SecretUrl
    username: Annotated[
        str, Meta(max_length=80, description="Name of the sender to show. Empty: the name of the webhook.")
    ] = ""
    proxy_id: ProxyId = ""
