"""Channels of type webhook."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.channels.fields import HeaderName
from schema.field_types import Restricted, Secret
from schema.targets import Url


class Webhook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="webhook"):
    """POSTs the event as JSON, signed when there is a secret."""

    url: Annotated[
        Url, Meta(extra={"restricted": Restricted.PATH}, description="Viewers are shown its scheme and host.")
    ]
    secret: Secret = ""
    headers: Annotated[dict[HeaderName, Secret], Meta(max_length=50)] = {}
    previous_secret: Secret = ""
