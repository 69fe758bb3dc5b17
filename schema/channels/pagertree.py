"""Channels of type pagertree."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from schema.channels.fields import SecretUrl
from schema.field_types import ProxyId


class Pagertree(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="pagertree"):
    """An alert in PagerTree: created, acknowledged and resolved under one id."""

    webhook_url: SecretUrl
    on_recovery: Annotated[
        Literal["resolve", "acknowledge", "nothing"], Meta(description="What a recovery does to the alert.")
    ] = "resolve"
    proxy_id: ProxyId = ""
