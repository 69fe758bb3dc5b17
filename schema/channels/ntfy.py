"""Channels of type ntfy."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.field_types import ProxyId, Restricted, Secret
from schema.targets import Url


class Ntfy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="ntfy"):
    """A push message through ntfy."""

    server_url: Url = "https://ntfy.sh"
    topic: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=64,
            pattern=r"^[A-Za-z0-9_-]+$",
            extra={"restricted": Restricted.ALL},
            description="Topic. Without accounts on the server, anyone who knows it can read and send."
            " Not shown to viewers.",
        ),
    ]
    priority: Annotated[
        int,
        Meta(
            ge=1, le=5, description="Priority of alerts and warnings, 1 to 5. Other messages get at most 3. Default: 4."
        ),
    ] = 4
    username: Annotated[str, Meta(max_length=255, description="User name, with `password`. Empty: none.")] = ""
    password: Secret = ""
    token: Secret = ""
    proxy_id: ProxyId = ""
