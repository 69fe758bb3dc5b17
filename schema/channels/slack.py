"""Channels of type slack."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.channels.fields import SecretUrl
from schema.field_types import ProxyId


class Slack(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="slack"):
    """A message to a Slack incoming webhook."""

    webhook_url: SecretUrl
    username: Annotated[
        str, Meta(max_length=80, description="Name of the sender to show. Empty: the name of the webhook.")
    ] = ""
    channel: Annotated[
        str, Meta(max_length=80, description="Channel to post to. Empty: the channel of the webhook.")
    ] = ""
    proxy_id: ProxyId = ""
