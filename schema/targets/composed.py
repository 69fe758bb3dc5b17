"""Group monitors, made of other monitors, and manual monitors, whose status people set."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct


class GroupPolicy(StrEnum):
    """How many members of a group must be up."""

    ALL = "all"
    ANY = "any"
    AT_LEAST = "at_least"


class GroupAlerts(StrEnum):
    """Who alerts in an outage."""

    BOTH = "both"
    GROUP = "group"
    MEMBERS = "members"


class ManualStatus(StrEnum):
    """Statuses that people can set for a manual monitor."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"


ManualStatusField = Annotated[ManualStatus, Meta(description="What it is, until somebody says otherwise.")]
ManualMessage = Annotated[str, Meta(max_length=250, description="A few words for the heartbeats.")]


class Group(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="group"):
    """Other monitors: are as many of them up as must be."""

    members: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=36)]],
        Meta(min_length=1, max_length=500, description="Ids of monitors; a group may hold groups, but never itself."),
    ]
    policy: GroupPolicy = GroupPolicy.ALL
    at_least: Annotated[int, Meta(ge=1, le=500, description="With the policy at_least: so many must be up.")] = 1
    alerts: Annotated[
        GroupAlerts, Meta(description="Who tells people of outages: the group, its members, or both.")
    ] = GroupAlerts.BOTH


class ManualStatusUpdate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new status for a manual monitor."""

    status: ManualStatusField
    message: ManualMessage = ""


class Manual(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="manual"):
    """Nothing that could be asked: people say what it is."""

    status: ManualStatusField = ManualStatus.UP
    message: ManualMessage = ""
