"""Channels of type sendgrid."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.channels.fields import Mailbox, Mailboxes, MailHeaders, ReplyTo
from schema.field_types import ProxyId, Secret
from schema.targets import Url


class Sendgrid(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="sendgrid"):
    """E-mail through SendGrid."""

    api_key: Secret
    sender: Annotated[Mailbox, Meta(description="E-mail address of the sender, alone or after a name.")]
    to: Annotated[Mailboxes, Meta(description="E-mail addresses of the recipients, each alone or after a name.")]
    cc: Annotated[list[Mailbox], Meta(max_length=50, description="Copies to these e-mail addresses.")] = []
    bcc: Annotated[list[Mailbox], Meta(max_length=50, description="Blind copies to these e-mail addresses.")] = []
    server_url: Url = "https://api.sendgrid.com"
    reply_to: ReplyTo = ""
    headers: MailHeaders = {}
    proxy_id: ProxyId = ""
