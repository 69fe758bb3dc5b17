"""Channels of type pushover."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.channels.fields import Key
from schema.field_types import ProxyId
from schema.targets import Url


class Pushover(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="pushover"):
    """A push message through Pushover."""

    user_key: Key
    app_token: Key
    device: Annotated[
        str,
        Meta(
            max_length=255,
            pattern=r"^[A-Za-z0-9_,-]*$(?!\n)",
            description="Names of devices, separated by commas. Empty: all devices.",
        ),
    ] = ""
    priority: Annotated[
        int,
        Meta(
            ge=-2,
            le=2,
            description="Priority of alerts and warnings, -2 to 2; other messages get at most 0. Default: 0.",
        ),
    ] = 0
    retry: Annotated[
        int, Meta(ge=30, le=10_800, description="Seconds between repetitions at priority 2. Default: 60.")
    ] = 60
    expire: Annotated[
        int, Meta(ge=30, le=10_800, description="Seconds after which repetitions stop at priority 2. Default: 3600.")
    ] = 3_600
    sound: Annotated[
        str, Meta(max_length=50, pattern=r"^[A-Za-z0-9_-]*$(?!\n)", description="Sound. Empty: the user's default.")
    ] = ""
    sound_up: Annotated[
        str, Meta(max_length=50, pattern=r"^[A-Za-z0-9_-]*$(?!\n)", description="Sound of recoveries. Empty: `sound`.")
    ] = ""
    server_url: Url = "https://api.pushover.net"
    proxy_id: ProxyId = ""
