"""Rules of a channel: which events it gets and when, how messages are grouped, and its templates."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from schema.events import EventKind
from schema.field_types import Timezone

EventPattern = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=r"^(\*|[a-z_]+\.(\*|[a-z_]+))$",
        description="Name of an event, or a pattern: `monitor.down`, `monitor.*`, `*`.",
        examples=["monitor.*"],
    ),
]
EventPatterns = Annotated[list[EventPattern], Meta(min_length=1, max_length=50)]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Clock = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$(?!\n)", examples=["22:00"])]
Template = Annotated[str, Meta(max_length=4_000, description="Template in Liquid. Empty: the default text.")]

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
    """The events that a new channel subscribes to."""
    return list(DEFAULT_EVENTS)


class QuietHours(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hours in which messages are held until the end. If `end` is earlier than `start`, they pass midnight."""

    start: Annotated[Clock, Meta(description="Local time at which quiet hours begin: HH:MM.")]
    end: Annotated[Clock, Meta(description="Local time at which quiet hours end: HH:MM.")]
    days: Annotated[
        list[Day], Meta(max_length=7, description="Days on which the quiet hours begin. Empty: every day.")
    ] = []
    timezone: Annotated[
        Timezone | UnsetType,
        Meta(description="Default: the channel's `timezone` when the quiet hours are set, or UTC if it has none."),
    ] = UNSET
    except_events: Annotated[
        list[EventPattern], Meta(max_length=50, description="Events that are sent during quiet hours too.")
    ] = field(name="except", default_factory=list)


class Grouping(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many messages are sent one by one within a time; further messages are sent as one digest."""

    max_immediate: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000,
            description="Messages sent one by one within `window`; further ones are sent as a digest."
            " 0: only digests. Default: 3.",
        ),
    ] = 3
    window: Annotated[int, Meta(ge=1, le=86_400, description="Length of the window, in seconds. Default: 30.")] = 30


class Templates(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Templates of a channel, in Liquid."""

    title: Template = ""
    text: Template = ""


class TemplateWarning(Struct, frozen=True, kw_only=True):
    """An event that a template does not fit."""

    event: Annotated[EventKind | None, Meta(description="The event. null: the warning applies to all events.")] = None
    field: Annotated[str, Meta(description="The template, such as `templates.title`; `templates` for both.")]
    message: Annotated[str, Meta(description="What does not fit, and what is sent instead.")]


class ChannelRules(Struct, frozen=True, kw_only=True):
    """The rules as stored. `grouping` None: the default of the channel's type; `timezone` None: that of the server."""

    events: list[str] = field(default_factory=default_events)
    quiet_hours: QuietHours | None = None
    min_outage: int = 0
    grouping: Grouping | None = None
    templates: Templates = Templates()
    timezone: str | None = None
