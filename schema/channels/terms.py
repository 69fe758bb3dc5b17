"""On which terms a channel is told: of what, when, how many at once, in which words."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from schema.field_types import Timezone

EventPattern = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=r"^(\*|[a-z_]+\.(\*|[a-z_]+))$",
        description="An event's name, or a pattern of names: `monitor.down`, `monitor.*`, `*`.",
        examples=["monitor.*"],
    ),
]
EventPatterns = Annotated[list[EventPattern], Meta(min_length=1, max_length=50)]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Clock = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$(?!\n)", examples=["22:00"])]
Template = Annotated[str, Meta(max_length=4_000, description="Liquid; empty: our own words.")]

DEFAULT_EVENTS = (
    "monitor.down",
    "monitor.up",
    "certificate.*",
    "domain.*",
    "maintenance.*",
    "incident.escalated",
    "incident.acknowledged",
)


def default_events() -> list[str]:
    """What a channel is told of, unless it says otherwise."""
    return list(DEFAULT_EVENTS)


class QuietHours(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When nobody wants to be told: what happens then waits until they end. Past midnight when `until` is earlier."""

    since: Clock
    until: Clock
    days: Annotated[list[Day], Meta(max_length=7, description="On which days they begin; empty: on each.")] = []
    timezone: Timezone = "UTC"
    but: Annotated[list[EventPattern], Meta(max_length=50, description="Events that are told all the same.")] = []


class Grouping(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many messages come one by one; what is more within the time comes together, in one message."""

    burst: Annotated[int, Meta(ge=0, le=1_000, description="Messages told one by one; 0: always together.")] = 3
    within: Annotated[int, Meta(ge=1, le=86_400, description="Seconds.")] = 30


class Templates(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A channel's own words, in Liquid."""

    title: Template = ""
    text: Template = ""


class ChannelRules(Struct, frozen=True, kw_only=True):
    """As they are stored. `grouping` None: as is usual for the channel's type."""

    events: list[str] = field(default_factory=default_events)
    quiet_hours: QuietHours | None = None
    delay: int = 0
    grouping: Grouping | None = None
    templates: Templates = Templates()
