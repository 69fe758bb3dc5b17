"""Channels of type webhook."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.channels.fields import HeaderName
from schema.field_types import ProxyId, Restricted, Secret
from schema.targets import Url


class Webhook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="webhook"):
    """A POST request with the event as JSON, signed if `secret` is set."""

    url: Annotated[
        Url,
        Meta(
            extra={"restricted": Restricted.PATH},
            description="URL that receives the event. Viewers see only its scheme and host.",
        ),
    ]
    secret: Annotated[
        Secret,
        Meta(description="Secret that signs the body. Empty: no signature. Stored encrypted; shown as ********."),
    ] = ""
    headers: Annotated[
        dict[HeaderName, Secret], Meta(max_length=50, description="Headers to send with every request, by name.")
    ] = {}
    previous_secret: Annotated[
        Secret, Meta(description="Secret that signs too, during a rotation. Stored encrypted; shown as ********.")
    ] = ""
    proxy_id: ProxyId = ""
