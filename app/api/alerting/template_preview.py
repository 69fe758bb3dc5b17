"""Templates tried on examples of events, and the names that they can use."""

from functools import cache

from app.domain.alerting import sample_events
from app.domain.alerting.messages import message_from_event
from app.domain.text import template_variables, templates
from app.domain.text.message_text import compose_text
from app.errors import Invalid
from schema.events import EventKind
from schema.message import Message
from schema.previews import Preview, PreviewRequest, TemplateVariables


def render_preview(draft: PreviewRequest) -> Preview:
    """What an example would say. Raises Invalid for templates that no channel could keep."""
    if wrong := templates.errors_in(draft.templates):
        raise Invalid(wrong)
    rendering = templates.render(draft.templates, _sample_message(draft.event))
    words = compose_text(rendering.message)
    warnings = [*templates.warnings_for(draft.templates), *rendering.errors]
    return Preview(title=words.title, text=words.text, warnings=warnings)


@cache
def list_variables() -> TemplateVariables:
    """Every name with its meaning."""
    return TemplateVariables(variables=template_variables.describe_variables(_sample_message(EventKind.MONITOR_DOWN)))


def _sample_message(kind: EventKind) -> Message:
    return message_from_event(sample_events.sample_event(kind), "preview")
