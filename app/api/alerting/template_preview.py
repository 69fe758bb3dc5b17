"""Template previews with sample events, and the variables that templates can use."""

from functools import cache

from app.domain.alerting.channel_rules import rule_errors
from app.domain.text import template_variables, templates
from app.domain.text.message_text import compose_text
from app.errors import Invalid
from schema.events import EventKind
from schema.previews import TemplatePreview, TemplatePreviewRequest, TemplateVariables


def render_preview(draft: TemplatePreviewRequest, server_timezone: str) -> TemplatePreview:
    """Render templates with a sample event. Raises Invalid for what a channel could not store.

    server_timezone    of channels without a time zone
    """
    errors = templates.errors_in(draft.templates) + rule_errors(draft.events, timezone=draft.timezone)
    if errors:
        raise Invalid(errors)
    sample = templates.sample_message(draft.event, draft.timezone or server_timezone)
    rendering = templates.render(draft.templates, sample)
    message_text = compose_text(rendering.message)
    fallbacks = [f"{one.field}: {one.message}" for one in rendering.fallbacks]
    return TemplatePreview(
        title=message_text.title,
        text=message_text.text,
        warnings=[*templates.warnings_for(draft.templates), *fallbacks],
        event_warnings=templates.event_warnings(draft.templates, draft.events),
    )


@cache
def list_variables() -> TemplateVariables:
    """Every template variable with its description and an example."""
    return TemplateVariables(
        variables=template_variables.describe_variables(templates.sample_message(EventKind.MONITOR_DOWN))
    )
