"""Channels of type twilio."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.field_types import Secret
from schema.targets import Url

PhoneNumber = Annotated[
    str,
    Meta(
        pattern=r"^\+[1-9][0-9]{6,14}$(?!\n)", description="A number as the world dials it.", examples=["+491701234567"]
    ),
]


class Twilio(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="twilio"):
    """A text message to a phone, through Twilio."""

    account_sid: Annotated[
        str, Meta(pattern=r"^AC[0-9a-fA-F]{32}$(?!\n)", description="As the console shows it: AC and 32 digits.")
    ]
    api_key_sid: Annotated[
        str, Meta(pattern=r"^(SK[0-9a-fA-F]{32})?$(?!\n)", description="Signs in with this key instead of the account.")
    ] = ""
    auth_token: Annotated[Secret, Meta(description="The account's auth token, or the API key's secret.")]
    sender: Annotated[
        str,
        Meta(
            pattern=r"^(\+?[0-9]{3,15}|MG[0-9a-fA-F]{32}|[A-Za-z0-9 ]{1,11})$(?!\n)",
            description="A number of yours, a name, or a messaging service's SID.",
        ),
    ]
    to: PhoneNumber
    server_url: Url = "https://api.twilio.com"
