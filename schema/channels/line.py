"""Channels of type line."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.channels.fields import Key
from schema.field_types import ProxyId
from schema.targets import Url


class Line(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="line"):
    """A message from a LINE official account."""

    channel_access_token: Key
    to: Annotated[
        str,
        Meta(pattern=r"^[UCR][0-9a-f]{32}$(?!\n)", description="Id of a user (U…), a group (C…) or a room (R…)."),
    ]
    silent: Annotated[bool, Meta(description="Send without a sound. Default: false.")] = False
    server_url: Url = "https://api.line.me"
    proxy_id: ProxyId = ""
