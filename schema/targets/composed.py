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


ManualStatusField = Annotated[
    ManualStatus, Meta(description="Status of the monitor until a user sets another one: up, degraded or down.")
]
ManualMessage = Annotated[str, Meta(max_length=250, description="Message for the heartbeats.")]


class Group(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="group"):
    """A group of monitors: checks that enough of its members are up."""

    members: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=36)]],
        Meta(
            min_length=1,
            max_length=500,
            description="Ids of monitors. A group may contain other groups, but not itself.",
        ),
    ]
    policy: Annotated[
        GroupPolicy, Meta(description="How many members must be up: `all`, `any` (one) or `at_least`.")
    ] = GroupPolicy.ALL
    at_least: Annotated[
        int, Meta(ge=1, le=500, description="Fewest members that must be up, for the policy `at_least`.")
    ] = 1
    alerts: Annotated[
        GroupAlerts, Meta(description="Which monitors alert in an outage: the group, its members, or both.")
    ] = GroupAlerts.BOTH


class ManualStatusUpdate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new status for a manual monitor."""

    status: ManualStatusField
    message: ManualMessage = ""


class Manual(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="manual"):
    """A manual monitor: users set its status."""

    status: ManualStatusField = ManualStatus.UP
    message: ManualMessage = ""
