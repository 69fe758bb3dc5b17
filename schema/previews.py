"""Template previews: the request, and the rendered message."""

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from schema.channels.rules import EventPatterns, Templates, TemplateWarning, default_events
from schema.channels.webhook import BodyTemplate, MediaType
from schema.events import EventKind
from schema.field_types import Timezone


class TemplatePreviewRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Templates to render with an example event, and the `body` and `content_type` of a webhook channel."""

    templates: Templates = Templates()
    body: BodyTemplate = ""
    content_type: MediaType = "application/json"
    event: Annotated[EventKind, Meta(description="Event that the preview is rendered for.")] = EventKind.MONITOR_DOWN
    events: Annotated[
        EventPatterns,
        Meta(description="Events of the channel, which `event_warnings` are for. Default: those of a new channel."),
    ] = field(default_factory=default_events)
    timezone: Annotated[Timezone | None, Meta(description="Time zone of the channel. null: the server's (`TZ`).")] = (
        None
    )


class TemplatePreview(Struct, frozen=True, kw_only=True):
    """The rendered message.

    warnings        unknown variables, and why the default words are sent for `event`
    event_warnings  every event of `events` for which default words are sent
    """

    title: str
    text: str
    body: Annotated[str, Meta(description="What `body` renders to: the body of a webhook channel's request.")]
    warnings: list[str]
    event_warnings: list[TemplateWarning]


class TemplateVariable(Struct, frozen=True, kw_only=True):
    """A variable of templates. `example` is its value when a monitor went down."""

    name: str
    description: str
    example: Any


class TemplateVariables(Struct, frozen=True, kw_only=True):
    """Every variable."""

    variables: list[TemplateVariable]
