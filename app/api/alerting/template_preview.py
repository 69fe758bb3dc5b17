"""Template previews with sample events, and the variables that templates can use."""

from functools import cache

from app.domain.alerting import sample_events
from app.domain.alerting.messages import message_from_event
from app.domain.text import request_templates, template_variables, templates
from app.domain.text.message_text import compose_text
from app.errors import Invalid
from schema.channels.rules import Templates
from schema.errors import FieldError
from schema.events import EventKind
from schema.message import Message
from schema.previews import TemplatePreview, TemplatePreviewRequest, TemplateVariables


def render_preview(draft: TemplatePreviewRequest) -> TemplatePreview:
    """Render templates with a sample event. Raises Invalid for templates that a channel could not store."""
    errors, body_error = templates.errors_in(draft.templates), templates.error_in(draft.body)
    if errors or body_error:
        raise Invalid([*errors, *([FieldError("body", body_error)] if body_error else [])])
    message = _sample_message(draft.event)
    rendering = templates.render(draft.templates, message)
    message_text = compose_text(rendering.message)
    body, body_warnings = _render_body(draft, message)
    warnings = [*templates.warnings_for(draft.templates), *rendering.errors, *body_warnings]
    return TemplatePreview(title=message_text.title, text=message_text.text, body=body, warnings=warnings)


def _render_body(draft: TemplatePreviewRequest, message: Message) -> tuple[str, list[str]]:
    """(the rendered body, its warnings)."""
    if not draft.body:
        return "", []
    body, error = templates.render_part(draft.body, message)
    problem = error or request_templates.json_warning(body, draft.content_type)
    warnings = templates.warnings_for(Templates(text=draft.body))
    return body, [*warnings, *([f"body: {problem}"] if problem else [])]


@cache
def list_variables() -> TemplateVariables:
    """Every template variable with its description and an example."""
    return TemplateVariables(variables=template_variables.describe_variables(_sample_message(EventKind.MONITOR_DOWN)))


def _sample_message(kind: EventKind) -> Message:
    return message_from_event(sample_events.sample_event(kind), "preview")
