"""Channels of type smtp."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.channels.fields import Address, Addresses
from schema.field_types import Host, Port, Secret


class Smtp(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="smtp"):
    """E-mail through an SMTP server."""

    host: Host
    port: Port = 587
    security: Annotated[str, Meta(pattern=r"^(none|starttls|tls)$", description="none, starttls or tls")] = "starttls"
    ignore_tls_errors: bool = False
    username: Annotated[str, Meta(max_length=255)] = ""
    password: Secret = ""
    sender: Address
    to: Addresses
    cc: Annotated[list[Address], Meta(max_length=50)] = []
    bcc: Annotated[list[Address], Meta(max_length=50)] = []
