"""Addresses that several monitor types share."""

from typing import Annotated

from msgspec import Meta

from schema.field_types import Restricted

Url = Annotated[
    str,
    Meta(
        min_length=8,
        max_length=2_048,
        pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s@/?#]+(?:[/?#]\S*)?$",
        extra={"restricted": Restricted.QUERY},
        description="An http or https URL without credentials; they have fields of their own."
        " Viewers don't see its query.",
        examples=["https://example.org/"],
    ),
]
