"""Template previews with sample events, and the variables that templates can use."""

from functools import cache

from app.domain.alerting.channel_rules import rule_errors
from app.domain.text import request_templates, template_variables, templates
from app.domain.text.message_text import compose_text
from app.errors import Invalid
from schema.channels.rules import Templates
from schema.errors import FieldError
from schema.events import EventKind
from schema.message import Message
from schema.previews import TemplatePreview, TemplatePreviewRequest, TemplateVariables


def render_preview(draft: TemplatePreviewRequest, server_timezone: str) -> TemplatePreview:
    """Render templates with a sample event. Raises Invalid for what a channel could not store.

    server_timezone    of channels without a time zone
    """
    if errors := _errors_in(draft):
        raise Invalid(errors)
    sample = templates.sample_message(draft.event, draft.timezone or server_timezone)
    rendering = templates.render(draft.templates, sample)
    message_text = compose_text(rendering.message)
    fallbacks = [f"{one.field}: {one.message}" for one in rendering.fallbacks]
    body, body_warnings = _render_body(draft, sample)
    return TemplatePreview(
        title=message_text.title,
        text=message_text.text,
        body=body,
        warnings=[*templates.warnings_for(draft.templates), *fallbacks, *body_warnings],
        event_warnings=templates.event_warnings(draft.templates, draft.events),
    )


def _errors_in(draft: TemplatePreviewRequest) -> list[FieldError]:
    body_error = templates.error_in(draft.body)
    return [
        *templates.errors_in(draft.templates),
        *([FieldError("body", body_error)] if body_error else []),
        *rule_errors(draft.events, timezone=draft.timezone),
    ]


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
    return TemplateVariables(
        variables=template_variables.describe_variables(templates.sample_message(EventKind.MONITOR_DOWN))
    )
