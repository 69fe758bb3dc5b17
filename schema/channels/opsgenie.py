"""Channels of type opsgenie."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from schema.field_types import ProxyId, Secret
from schema.targets import Url


class Opsgenie(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="opsgenie"):
    """An alert in Opsgenie: created, acknowledged and closed under one alias."""

    api_key: Secret
    region: Annotated[Literal["us", "eu"], Meta(description="Region of the account. Default: us.")] = "us"
    priority: Annotated[
        Literal["P1", "P2", "P3", "P4", "P5"],
        Meta(description="Priority of an outage. Less severe events never get a higher one. Default: P1."),
    ] = "P1"
    server_url: Annotated[Url | None, Meta(description="API server instead of the region's.")] = None
    proxy_id: ProxyId = ""
