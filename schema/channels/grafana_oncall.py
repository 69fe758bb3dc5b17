"""Channels of type grafana_oncall."""

from msgspec import Struct

from schema.channels.fields import SecretUrl
from schema.field_types import ProxyId


class GrafanaOncall(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="grafana_oncall"
):
    """An alert in Grafana OnCall, through an integration of the kind Formatted Webhook."""

    webhook_url: SecretUrl
    proxy_id: ProxyId = ""
