"""Channels of type twilio."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.field_types import ProxyId, Secret
from schema.targets import Url

PhoneNumber = Annotated[
    str,
    Meta(
        pattern=r"^\+[1-9][0-9]{6,14}$(?!\n)", description="Phone number with country code.", examples=["+491701234567"]
    ),
]


class Twilio(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="twilio"):
    """A text message to a phone, through Twilio."""

    account_sid: Annotated[
        str, Meta(pattern=r"^AC[0-9a-fA-F]{32}$(?!\n)", description="Account SID: AC and 32 hexadecimal digits.")
    ]
    api_key_sid: Annotated[
        str,
        Meta(
            pattern=r"^(SK[0-9a-fA-F]{32})?$(?!\n)",
            description="SID of an API key, to authenticate with the key instead of the account.",
        ),
    ] = ""
    auth_token: Annotated[
        Secret,
        Meta(description="Auth token of the account, or secret of the API key. Stored encrypted; shown as ********."),
    ]
    sender: Annotated[
        str,
        Meta(
            pattern=r"^(\+?[0-9]{3,15}|MG[0-9a-fA-F]{32}|[A-Za-z0-9 ]{1,11})$(?!\n)",
            description="Sender: a phone number of yours, a name, or the SID of a messaging service.",
        ),
    ]
    to: PhoneNumber
    server_url: Url = "https://api.twilio.com"
    proxy_id: ProxyId = ""
