"""Channels of type gotify."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.channels.fields import Key
from schema.field_types import ProxyId
from schema.targets import Url


class Gotify(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="gotify"):
    """A push message through a Gotify server."""

    server_url: Url
    app_token: Key
    priority: Annotated[
        int,
        Meta(
            ge=0,
            le=10,
            description="Priority of alerts and warnings, 0 to 10. Other messages get at most 3. Default: 8.",
        ),
    ] = 8
    proxy_id: ProxyId = ""
