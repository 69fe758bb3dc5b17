"""One action on many monitors."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from schema.errors import ErrorBody
from schema.monitors import ChannelIds
from schema.status import Status
from schema.tags import TagIds

BulkAction = Literal["pause", "resume", "delete", "reset", "add_tags", "remove_tags", "add_channels", "remove_channels"]
MAX_MONITORS = 1_000


NamePart = Annotated[str, Meta(max_length=150, description="Part of the name; upper and lower case are the same.")]
TagReference = Annotated[str, Meta(max_length=100, description="Id or name of one of the monitors' tags.")]


class MonitorFilter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Selects monitors that match every given field; without fields it selects all."""

    q: NamePart | UnsetType = UNSET
    type: str | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    tag: TagReference | UnsetType = UNSET


class BulkRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One action on monitors, selected by ids or by a filter."""

    action: BulkAction
    ids: Annotated[list[Annotated[str, Meta(max_length=36)]], Meta(max_length=MAX_MONITORS)] | UnsetType = UNSET
    filter: MonitorFilter | UnsetType = UNSET
    tag_ids: Annotated[TagIds, Meta(description="Ids of tags, for `add_tags` and `remove_tags`.")] = []
    notification_channel_ids: Annotated[
        ChannelIds, Meta(description="Ids of channels, for `add_channels` and `remove_channels`.")
    ] = []


class BulkItem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The result for one monitor."""

    id: str
    ok: bool
    error: Annotated[ErrorBody | UnsetType, Meta(description="Why the monitor was not changed.")] = UNSET


class BulkResults(Struct, frozen=True, kw_only=True):
    """The result for each monitor: in the order of `ids`, or by name for a filter."""

    results: list[BulkItem]
    done: int
    failed: int
