"""Channels of type wecom."""

from msgspec import Struct

from schema.channels.fields import SecretUrl
from schema.field_types import ProxyId


class Wecom(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="wecom"):
    """A message to a WeCom group robot."""

    webhook_url: SecretUrl
    proxy_id: ProxyId = ""
