"""Channels of type matrix."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.channels.fields import Key
from schema.field_types import ProxyId
from schema.targets import Url


class Matrix(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="matrix"):
    """A message to a Matrix room."""

    server_url: Url
    room_id: Annotated[
        str, Meta(max_length=255, pattern=r"^![!-~]+$(?!\n)", description="Id of the room; begins with `!`.")
    ]
    access_token: Key
    proxy_id: ProxyId = ""
