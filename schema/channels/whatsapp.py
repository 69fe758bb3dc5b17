"""Channels of type whatsapp."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.field_types import ProxyId, Secret
from schema.targets import Url


class Whatsapp(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="whatsapp"):
    """A WhatsApp message through a WAHA server."""

    server_url: Url
    api_key: Secret = ""
    session: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$(?!\n)", description="Name of the WAHA session. Default: default.")
    ] = "default"
    chat_id: Annotated[
        str,
        Meta(
            max_length=64,
            pattern=r"^[0-9-]+@(c\.us|g\.us|lid|newsletter)$(?!\n)",
            description="Phone number with country code and `@c.us`, or the id of a group, which ends in `@g.us`.",
            examples=["12025550123@c.us"],
        ),
    ]
    proxy_id: ProxyId = ""
