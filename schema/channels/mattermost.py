"""Channels of type mattermost."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.channels.fields import SecretUrl
from schema.field_types import ProxyId


class Mattermost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="mattermost"):
    """A message to a Mattermost incoming webhook."""

    webhook_url: SecretUrl
    username: Annotated[
        str, Meta(max_length=64, description="Name of the sender to show. Empty: the name of the webhook.")
    ] = ""
    channel: Annotated[
        str, Meta(max_length=64, description="Channel to post to. Empty: the channel of the webhook.")
    ] = ""
    icon_emoji: Annotated[
        str,
        Meta(
            max_length=64,
            pattern=r"^[A-Za-z0-9_+-]*$(?!\n)",
            description="Emoji to show as the sender's icon, without colons.",
        ),
    ] = ""
    proxy_id: ProxyId = ""
