"""Channels of type signal."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.field_types import ProxyId
from schema.targets import Url

Recipient = Annotated[
    str,
    Meta(max_length=255, pattern=r"^[!-~]+$(?!\n)", description="Phone number, user name, or group id (`group.…`)."),
]


class Signal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="signal"):
    """A message through a signal-cli REST API."""

    server_url: Url
    number: Annotated[
        str, Meta(pattern=r"^\+[0-9]{5,20}$(?!\n)", description="Phone number of the sender, with country code: +4917…")
    ]
    recipients: Annotated[list[Recipient], Meta(min_length=1, max_length=50, description="Recipients of the message.")]
    proxy_id: ProxyId = ""
