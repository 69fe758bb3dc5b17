"""Channels of type pagerduty."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from schema.field_types import ProxyId, Secret
from schema.targets import Url


class Pagerduty(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="pagerduty"):
    """An alert in PagerDuty: triggered, acknowledged and resolved under one key."""

    routing_key: Secret
    severity: Annotated[
        Literal["critical", "error", "warning", "info"],
        Meta(description="Severity of an outage. Less severe events never get a higher one. Default: critical."),
    ] = "critical"
    on_recovery: Annotated[
        Literal["resolve", "acknowledge", "nothing"], Meta(description="What a recovery does to the alert.")
    ] = "resolve"
    server_url: Url = "https://events.pagerduty.com"
    proxy_id: ProxyId = ""
