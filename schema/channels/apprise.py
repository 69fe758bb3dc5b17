"""Channels of type apprise: services without a sender of their own."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.field_types import ProxyId, Secret

ServiceId = Annotated[
    str,
    Meta(
        max_length=64,
        pattern=r"^[a-z0-9_]*$(?!\n)",
        description="Id of the service in the catalogue. Empty: the service follows from `url`.",
    ),
]
FieldName = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_]+$(?!\n)")]
Text = Annotated[str, Meta(max_length=2_048)]
ServiceUrl = Annotated[
    str,
    Meta(
        max_length=4_096,
        pattern=r"^([A-Za-z0-9]{1,32}://[^\s\x00-\x1f]+|\*{8})?$(?!\n)",
        extra={"secret": True},
        description="Apprise URL of the service, instead of fields. Stored encrypted; shown as ********.",
        examples=["zulip://bot@example/a6k4Ab1cd2Ef3gh4Ij5kl6Mn7op8Qr9s/alerts"],
    ),
]


class Apprise(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="apprise"):
    """A message through one of Apprise's services: by its fields, or by its Apprise URL."""

    service: ServiceId = ""
    fields: Annotated[
        dict[FieldName, Text | int | float | bool | list[Text]],
        Meta(
            max_length=50, description="Fields of the service that are not secret, by name. The catalogue lists them."
        ),
    ] = {}
    secrets: Annotated[
        dict[FieldName, Secret], Meta(max_length=20, description="Secret fields of the service, by name.")
    ] = {}
    url: ServiceUrl = ""
    proxy_id: ProxyId = ""
