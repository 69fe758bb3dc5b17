"""Notification channels: how people are told. A new provider is a struct here and a file in `actors/senders/`."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from schema import drafts
from schema.limits import Host, Name, Port, Secret
from schema.targets import Url

Address = Annotated[
    str, Meta(max_length=320, pattern=r"^[^\s@<>,;]+@[^\s@<>,;]+$(?!\n)", description="An e-mail address.")
]
HeaderName = Annotated[str, Meta(max_length=128, pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$(?!\n)")]
Addresses = Annotated[list[Address], Meta(min_length=1, max_length=50)]
SecretUrl = Annotated[
    str,
    Meta(
        max_length=2_048,
        pattern=r"^(https?://[^\s@/?#]+(?:[/?#]\S*)?|\*{8})$",
        extra={"secret": True},
        description="An address that lets whoever has it send; kept sealed, shown as ********.",
    ),
]


class Webhook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="webhook"):
    """POSTs the event as JSON, signed when there is a secret."""

    url: Url
    secret: Secret = ""
    headers: Annotated[dict[HeaderName, Secret], Meta(max_length=50)] = {}


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


class Slack(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="slack"):
    """A message to a Slack incoming webhook."""

    webhook_url: SecretUrl
    username: Annotated[str, Meta(max_length=80)] = ""
    channel: Annotated[str, Meta(max_length=80)] = ""


class Discord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="discord"):
    """An embed to a Discord webhook."""

    webhook_url: SecretUrl
    username: Annotated[str, Meta(max_length=80)] = ""


class Telegram(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="telegram"):
    """A message from a Telegram bot."""

    bot_token: Secret
    chat_id: Annotated[str, Meta(min_length=1, max_length=64)]
    message_thread_id: int | None = None
    silent: bool = False
    protect_content: bool = False
    server_url: Url = "https://api.telegram.org"


class Ntfy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="ntfy"):
    """A push message through ntfy."""

    server_url: Url = "https://ntfy.sh"
    topic: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
    priority: Annotated[int, Meta(ge=1, le=5)] = 4
    username: Annotated[str, Meta(max_length=255)] = ""
    password: Secret = ""
    token: Secret = ""


ChannelConfig = Webhook | Smtp | Slack | Discord | Telegram | Ntfy
PROVIDERS: dict[str, type[ChannelConfig]] = {
    "webhook": Webhook,
    "smtp": Smtp,
    "slack": Slack,
    "discord": Discord,
    "telegram": Telegram,
    "ntfy": Ntfy,
}


class ChannelDraft(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client sends to create a channel. On the wire `type` says which `config` is meant (see `DRAFTS`)."""

    name: Name
    config: ChannelConfig
    active: bool = True
    is_default: Annotated[bool, Meta(description="New monitors get this channel.")] = False


class ChannelPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may change. Absent fields stay; `config` is replaced whole and must fit the channel's type."""

    name: Name | UnsetType = UNSET
    type: Annotated[str | UnsetType, Meta(description="May be repeated; may not change.")] = UNSET
    config: dict[str, Any] | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    is_default: bool | UnsetType = UNSET


class Channel(Struct, frozen=True, kw_only=True):
    """A channel as it is returned: secrets masked."""

    id: str
    name: str
    type: str
    config: ChannelConfig
    active: bool
    is_default: bool
    version: int
    created_at: datetime
    updated_at: datetime


DRAFTS = drafts.by_type(ChannelDraft, "Channel", PROVIDERS)
