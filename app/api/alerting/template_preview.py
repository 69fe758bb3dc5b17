"""Templates tried on examples of events, and the names that they can use."""

from functools import cache

from app.domain.alerting import sample_events
from app.domain.alerting.messages import message_of
from app.domain.text import template_variables, templates
from app.domain.text.message_text import words_of
from app.errors import Invalid
from schema.events import EventKind
from schema.message import Message
from schema.previews import Preview, PreviewDraft, Variables


def of(draft: PreviewDraft) -> Preview:
    """What an example would say. Raises Invalid for templates that no channel could keep."""
    if wrong := templates.faults(draft.templates):
        raise Invalid(wrong)
    rendering = templates.rendering_of(draft.templates, _example(draft.event))
    words = words_of(rendering.message)
    warnings = [*templates.doubts(draft.templates), *rendering.troubles]
    return Preview(title=words.title, text=words.text, warnings=warnings)


@cache
def variables() -> Variables:
    """Every name with its meaning."""
    return Variables(variables=template_variables.described(_example(EventKind.MONITOR_DOWN)))


def _example(kind: EventKind) -> Message:
    return message_of(sample_events.of(kind), "preview")
