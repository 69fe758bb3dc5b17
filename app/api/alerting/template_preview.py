"""Template previews with sample events, and the variables that templates can use."""

from functools import cache

from app.domain.alerting import sample_events
from app.domain.alerting.messages import message_from_event
from app.domain.text import template_variables, templates
from app.domain.text.message_text import compose_text
from app.errors import Invalid
from schema.events import EventKind
from schema.message import Message
from schema.previews import TemplatePreview, TemplatePreviewRequest, TemplateVariables


def render_preview(draft: TemplatePreviewRequest) -> TemplatePreview:
    """Render templates with a sample event. Raises Invalid for templates that a channel could not store."""
    if errors := templates.errors_in(draft.templates):
        raise Invalid(errors)
    rendering = templates.render(draft.templates, _sample_message(draft.event))
    message_text = compose_text(rendering.message)
    warnings = [*templates.warnings_for(draft.templates), *rendering.errors]
    return TemplatePreview(title=message_text.title, text=message_text.text, warnings=warnings)


@cache
def list_variables() -> TemplateVariables:
    """Every template variable with its description and an example."""
    return TemplateVariables(variables=template_variables.describe_variables(_sample_message(EventKind.MONITOR_DOWN)))


def _sample_message(kind: EventKind) -> Message:
    return message_from_event(sample_events.sample_event(kind), "preview")
