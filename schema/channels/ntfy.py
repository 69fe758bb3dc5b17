"""Channels of type ntfy."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.field_types import Restricted, Secret
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
            description="On a server without accounts whoever knows it can read and send. Not shown to viewers.",
        ),
    ]
    priority: Annotated[int, Meta(ge=1, le=5)] = 4
    username: Annotated[str, Meta(max_length=255)] = ""
    password: Secret = ""
    token: Secret = ""
