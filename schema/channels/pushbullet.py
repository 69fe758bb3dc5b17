"""Channels of type pushbullet."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.channels.fields import Key
from schema.field_types import ProxyId
from schema.targets import Url


class Pushbullet(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="pushbullet"):
    """A push through Pushbullet."""

    access_token: Key
    device_iden: Annotated[
        str, Meta(max_length=64, pattern=r"^[A-Za-z0-9_-]*$(?!\n)", description="Id of a device. Empty: all devices.")
    ] = ""
    channel_tag: Annotated[
        str,
        Meta(
            max_length=64,
            pattern=r"^[A-Za-z0-9_.-]*$(?!\n)",
            description="Tag of a channel to push to, instead of devices.",
        ),
    ] = ""
    server_url: Url = "https://api.pushbullet.com"
    proxy_id: ProxyId = ""
