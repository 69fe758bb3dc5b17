"""Channels of type webpush."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.channels.fields import Address, SecretUrl
from schema.field_types import ProxyId

PublicKey = Annotated[
    str,
    Meta(
        pattern=r"^B[A-Za-z0-9_-]{86}$(?!\n)",
        description="`keys.p256dh` of the subscription: an uncompressed P-256 point, 65 bytes in base64url.",
    ),
]
AuthSecret = Annotated[
    str,
    Meta(
        pattern=r"^([A-Za-z0-9_-]{22}|\*{8})$(?!\n)",
        extra={"secret": True},
        description="`keys.auth` of the subscription: 16 bytes in base64url. Stored encrypted; shown as ********.",
    ),
]
PrivateKey = Annotated[
    str,
    Meta(
        pattern=r"^([A-Za-z0-9_-]{43}|\*{8})$(?!\n)",
        extra={"secret": True},
        description="VAPID private key that the browser subscribed with, 32 bytes in base64url;"
        " `watchkeeper webpush-key` generates one. Stored encrypted; shown as ********.",
    ),
]


class Webpush(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="webpush"):
    """A push message to a browser that subscribed to it."""

    endpoint_url: SecretUrl
    p256dh: PublicKey
    auth: AuthSecret
    private_key: PrivateKey
    contact: Annotated[Address, Meta(description="E-mail address that the push service can write to about problems.")]
    ttl: Annotated[
        int,
        Meta(
            ge=0,
            le=2_419_200,
            description="Seconds that the push service keeps a message while the browser is offline. Default: 86400.",
        ),
    ] = 86_400
    proxy_id: ProxyId = ""
