"""Template previews: the request, and the rendered message."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from schema.channels.rules import Templates
from schema.channels.webhook import BodyTemplate, MediaType
from schema.events import EventKind


class TemplatePreviewRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Templates to render with an example event, and the `body` and `content_type` of a webhook channel."""

    templates: Templates = Templates()
    body: BodyTemplate = ""
    content_type: MediaType = "application/json"
    event: Annotated[EventKind, Meta(description="Event that the preview is rendered for.")] = EventKind.MONITOR_DOWN


class TemplatePreview(Struct, frozen=True, kw_only=True):
    """The rendered message; `warnings` are unknown variables and errors in the templates."""

    title: str
    text: str
    body: Annotated[str, Meta(description="What `body` renders to: the body of a webhook channel's request.")]
    warnings: list[str]


class TemplateVariable(Struct, frozen=True, kw_only=True):
    """A variable of templates. `example` is its value when a monitor went down."""

    name: str
    description: str
    example: Any


class TemplateVariables(Struct, frozen=True, kw_only=True):
    """Every variable."""

    variables: list[TemplateVariable]
