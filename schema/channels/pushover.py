"""Channels of type pushover."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.channels.fields import Key
from schema.targets import Url


class Pushover(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="pushover"):
    """A push message through Pushover."""

    user_key: Key
    app_token: Key
    device: Annotated[str, Meta(max_length=255, pattern=r"^[A-Za-z0-9_,-]*$(?!\n)")] = ""
    priority: Annotated[int, Meta(ge=-2, le=2)] = 0
    retry: Annotated[int, Meta(ge=30, le=10_800, description="Seconds between rings at priority 2.")] = 60
    expire: Annotated[int, Meta(ge=30, le=10_800, description="Seconds after which it stops ringing.")] = 3_600
    sound: Annotated[str, Meta(max_length=50, pattern=r"^[A-Za-z0-9_-]*$(?!\n)")] = ""
    sound_up: Annotated[str, Meta(max_length=50, pattern=r"^[A-Za-z0-9_-]*$(?!\n)")] = ""
    server_url: Url = "https://api.pushover.net"
