"""Tags: labels of monitors, to find them and to limit which monitors a viewer sees."""

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from schema.field_types import Text, Uuid

GREY = "#6b7280"

TagName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern=r"^\S(.*\S)?$",
        description="Name of the tag, unique without regard to upper and lower case.",
        examples=["production"],
    ),
]
Color = Annotated[str, Meta(pattern=r"^#[0-9A-Fa-f]{6}$", description="Color as #rrggbb.", examples=[GREY])]
TagId = Annotated[str, Meta(max_length=36)]
TagIds = Annotated[list[TagId], Meta(max_length=100, description="Ids of the monitor's tags.")]


class TagDraft(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client sends to create a tag."""

    name: TagName
    color: Color = GREY
    description: Text = ""


class TagPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes to a tag. Absent fields stay."""

    name: TagName | UnsetType = UNSET
    color: Color | UnsetType = UNSET
    description: Text | UnsetType = UNSET


class Tag(Struct, frozen=True, kw_only=True):
    """A tag as returned."""

    id: Uuid
    name: str
    color: str
    description: str
    monitors: Annotated[int, Meta(description="How many monitors have this tag.")]
    version: Annotated[int, Meta(description="Increases with every change; also the ETag.")]
    created_at: datetime
    updated_at: datetime


class TagLabel(Struct, frozen=True, kw_only=True):
    """A tag in a monitor."""

    id: Uuid
    name: str
    color: str


class VisibleTags(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The tags that limit a viewer to monitors with one of them. Without tags the viewer sees everything."""

    visible_tags: Annotated[
        list[TagId], Meta(max_length=100, description="Ids of tags. Empty: the viewer sees all monitors.")
    ]
