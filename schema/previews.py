"""Templates tried out: what a client sends, and what a message would say."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from schema.channels.terms import Templates
from schema.events import EventKind


class PreviewRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Templates, and the event to try them on."""

    templates: Templates
    event: Annotated[EventKind, Meta(description="An example of it is told.")] = EventKind.MONITOR_DOWN


class Preview(Struct, frozen=True, kw_only=True):
    """What the message would say; `warnings` are names that nobody gives, and what would go wrong."""

    title: str
    text: str
    warnings: list[str]


class TemplateVariable(Struct, frozen=True, kw_only=True):
    """A name that templates can use. `example` is its value when a monitor went down."""

    name: str
    description: str
    example: Any


class TemplateVariables(Struct, frozen=True, kw_only=True):
    """Every name there is."""

    variables: list[TemplateVariable]
