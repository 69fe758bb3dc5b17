"""Channels of type opsgenie."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from schema.field_types import Secret
from schema.targets import Url


class Opsgenie(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="opsgenie"):
    """An alert in Opsgenie: created, acknowledged and closed under one alias."""

    api_key: Secret
    region: Literal["us", "eu"] = "us"
    priority: Annotated[
        Literal["P1", "P2", "P3", "P4", "P5"],
        Meta(description="Of an outage; what is less bad never gets a higher one."),
    ] = "P1"
    server_url: Annotated[Url | None, Meta(description="Instead of the region's.")] = None
