"""Channels of type webpush."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.channels.fields import Address, SecretUrl

PublicKey = Annotated[
    str,
    Meta(
        pattern=r"^B[A-Za-z0-9_-]{86}$(?!\n)",
        description="An uncompressed point on P-256, 65 bytes in base64url: `keys.p256dh` of the subscription.",
    ),
]
AuthSecret = Annotated[
    str,
    Meta(
        pattern=r"^([A-Za-z0-9_-]{22}|\*{8})$(?!\n)",
        extra={"secret": True},
        description="16 bytes in base64url: `keys.auth` of the subscription; kept sealed, shown as ********.",
    ),
]
PrivateKey = Annotated[
    str,
    Meta(
        pattern=r"^([A-Za-z0-9_-]{43}|\*{8})$(?!\n)",
        extra={"secret": True},
        description="The VAPID key that the browser subscribed to, 32 bytes in base64url;"
        " `watchkeeper webpush-key` makes one. Kept sealed, shown as ********.",
    ),
]


class Webpush(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="webpush"):
    """A push message to a browser that subscribed to it."""

    endpoint_url: SecretUrl
    p256dh: PublicKey
    auth: AuthSecret
    private_key: PrivateKey
    contact: Annotated[Address, Meta(description="Told to the push service: whom to write to when something is wrong.")]
    ttl: Annotated[
        int,
        Meta(ge=0, le=2_419_200, description="Seconds the push service keeps a message for a browser that is away."),
    ] = 86_400
