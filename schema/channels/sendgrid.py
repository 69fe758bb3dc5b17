"""Channels of type sendgrid."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.channels.fields import Address, Addresses
from schema.field_types import ProxyId, Secret
from schema.targets import Url


class Sendgrid(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="sendgrid"):
    """E-mail through SendGrid."""

    api_key: Secret
    sender: Annotated[Address, Meta(description="E-mail address of the sender.")]
    to: Annotated[Addresses, Meta(description="E-mail addresses of the recipients.")]
    cc: Annotated[list[Address], Meta(max_length=50, description="Copies to these e-mail addresses.")] = []
    bcc: Annotated[list[Address], Meta(max_length=50, description="Blind copies to these e-mail addresses.")] = []
    server_url: Url = "https://api.sendgrid.com"
    proxy_id: ProxyId = ""
