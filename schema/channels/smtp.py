"""Channels of type smtp."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.channels.fields import Mailbox, Mailboxes, MailHeaders, ReplyTo
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
    sender: Annotated[Mailbox, Meta(description="E-mail address of the sender, alone or after a name.")]
    to: Annotated[Mailboxes, Meta(description="E-mail addresses of the recipients, each alone or after a name.")]
    cc: Annotated[list[Mailbox], Meta(max_length=50, description="Copies to these e-mail addresses.")] = []
    bcc: Annotated[list[Mailbox], Meta(max_length=50, description="Blind copies to these e-mail addresses.")] = []
    reply_to: ReplyTo = ""
    headers: MailHeaders = {}
    proxy_id: ProxyId = ""
