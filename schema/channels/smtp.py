"""Channels of type smtp."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.channels.fields import Address, Addresses
from schema.field_types import Host, Port, ProxyId, Secret


class Smtp(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="smtp"):
    """E-mail through an SMTP server."""

    host: Host
    port: Annotated[Port, Meta(description="Port. Default: 587.")] = 587
    security: Annotated[
        str, Meta(pattern=r"^(none|starttls|tls)$", description="Encryption: none, starttls (default) or tls.")
    ] = "starttls"
    ignore_tls_errors: Annotated[bool, Meta(description="Accept invalid certificates. Default: false.")] = False
    username: Annotated[str, Meta(max_length=255, description="User to log in as. Empty: no login.")] = ""
    password: Secret = ""
    sender: Annotated[Address, Meta(description="E-mail address of the sender.")]
    to: Annotated[Addresses, Meta(description="E-mail addresses of the recipients.")]
    cc: Annotated[list[Address], Meta(max_length=50, description="Copies to these e-mail addresses.")] = []
    bcc: Annotated[list[Address], Meta(max_length=50, description="Blind copies to these e-mail addresses.")] = []
    proxy_id: ProxyId = ""
