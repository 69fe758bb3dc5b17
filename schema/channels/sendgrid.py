"""Channels of type sendgrid."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.channels.fields import Address, Addresses
from schema.field_types import Secret
from schema.targets import Url


class Sendgrid(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="sendgrid"):
    """E-mail through SendGrid."""

    api_key: Secret
    sender: Address
    to: Addresses
    cc: Annotated[list[Address], Meta(max_length=50)] = []
    bcc: Annotated[list[Address], Meta(max_length=50)] = []
    server_url: Url = "https://api.sendgrid.com"
