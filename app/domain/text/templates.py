"""A channel's message templates: validated when they are saved, rendered into a message's title and text. Pure.

When a template fails, the default title or text is sent: no message is lost to a template. The same holds for a
template that prints a variable which the event has no value for, and for one that shows only the newest event of a
digest. Liquid is imported with the first template, so that an installation without templates saves its memory.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from app.domain.alerting import routing, sample_events
from app.domain.alerting.messages import message_from_event
from app.domain.parsing.plain_text import multi_line, one_line
from app.domain.text import digest, template_variables
from app.domain.text.formatting import TITLE_LIMIT
from schema.channels.rules import Templates, TemplateWarning
from schema.errors import FieldError
from schema.events import EventKind
from schema.message import Message

MAX_OUTPUT_CHARS = 4_000  # of a rendered text
ONLY_NEWEST = "it shows only the newest event of a digest"
PING_MAY_BE_EMPTY = "`ping` has no value when a check got no response: print it within `{% if ping %}`"


class Rendering(Struct, frozen=True):
    """A message rendered by its channel's templates.

    errors      what failed, for the log or a preview
    fallbacks   why the default words are sent in place of a template, by its field; includes the errors
    """

    message: Message
    errors: list[str] = []
    fallbacks: list[FieldError] = []


class _Part(Struct, frozen=True):
    """A rendered title or text; empty when it failed or does not fit the event.

    empty_names    variables that it printed without a value
    """

    text: str = ""
    error: str = ""
    misfit: str = ""
    empty_names: tuple[str, ...] = ()


def render(templates: Templates, message: Message) -> Rendering:
    """The message with the channel's title and text; the defaults where it has no template, or one fails or misfits."""
    values, parts = dict[str, Any](), dict[str, _Part]()
    for name, template in msgspec.structs.asdict(templates).items():
        if template:
            values = values or template_variables.variable_values(message)
            parts[name] = _render_part(template, values, message)
    if not parts:
        return Rendering(message)
    title = one_line(parts.get("title", _Part()).text, TITLE_LIMIT)
    text = multi_line(parts.get("text", _Part()).text, MAX_OUTPUT_CHARS)
    fields = {f"templates.{name}": part for name, part in parts.items()}
    reasons = {field: part.error or part.misfit for field, part in fields.items()}
    return Rendering(
        msgspec.structs.replace(message, title=title, text=text),
        [f"{field}: {part.error}" for field, part in fields.items() if part.error],
        [FieldError(field, f"{reason}: the default is sent") for field, reason in reasons.items() if reason],
    )


def errors_in(templates: Templates) -> list[FieldError]:
    """The errors of templates that are to be saved: what can't be parsed, and what costs too much."""
    errors = []
    for name, text in msgspec.structs.asdict(templates).items():
        if text and (error := _error_in(text)):
            errors.append(FieldError(f"templates.{name}", error))
    return errors


def warnings_for(templates: Templates) -> list[str]:
    """What is empty in messages of valid templates: unknown variables always, the response time sometimes."""
    if templates == Templates():
        return []
    from app.domain.text import template_errors  # noqa: PLC0415  # 20 MB, for channels with templates only

    texts = [text for text in msgspec.structs.astuple(templates) if text]
    names: dict[str, None] = {}
    for text in texts:
        template = template_errors.compile_template(text)
        unknown = template_errors.unknown_names(template, template_variables.NAMES, template_variables.OPEN_ENDED)
        names |= dict.fromkeys(unknown)
    sample = msgspec.structs.replace(sample_message(EventKind.MONITOR_DOWN), ping_ms=None)
    values = template_variables.variable_values(sample)
    empty = {name for text in texts for name in _render_part(text, values, sample).empty_names}
    pings = [PING_MAY_BE_EMPTY] if empty & template_variables.OF_CHECKS else []
    return [f"there is no variable {name}" for name in names] + pings


def event_warnings(templates: Templates, events: Sequence[str]) -> list[TemplateWarning]:
    """What does not fit in valid templates: for all events, then for each event that matches one of the patterns."""
    if templates == Templates():
        return []
    warnings = [TemplateWarning(field="templates", message=text) for text in warnings_for(templates)]
    for kind in routing.subscribed_kinds(events):
        found = render(templates, sample_message(kind)).fallbacks
        warnings += [TemplateWarning(event=kind, field=one.field, message=one.message) for one in found]
    return warnings


def render_part(text: str, message: Message) -> tuple[str, str]:
    """(a part of a request rendered from its template, the error). It is never cut off, and may have gaps."""
    part = _render_part(text, template_variables.variable_values(message), message, of_request=True)
    return part.text, part.error


def error_in(text: str) -> str:
    """The error of one template that is to be saved; empty for a valid one, or none."""
    return _error_in(text) if text else ""


def sample_message(kind: EventKind, timezone: str = "UTC") -> Message:
    """The message of the sample event of this kind."""
    message = message_from_event(sample_events.sample_event(kind), "preview")
    return msgspec.structs.replace(message, timezone=timezone)


def _render_part(template: str, values: dict[str, Any], message: Message, *, of_request: bool = False) -> _Part:
    """A rendered title or text.

    of_request    a part of a webhook channel's request: whole or an error, and used whatever it leaves empty
    """
    from app.domain.text import liquid, template_errors  # noqa: PLC0415  # 20 MB, for channels with templates only

    try:
        compiled = template_errors.compile_template(template)
        rendered = liquid.render(compiled, values, whole=of_request)
        is_digest = bool(message.merged) and len(digest.digest_members(message)) > 1
        hides_members = is_digest and not template_errors.used_names(compiled) & template_variables.DIGEST_NAMES
    except template_errors.TemplateError as error:
        return _Part(error=str(error))
    except Exception as error:  # noqa: BLE001  # whatever a template breaks, the message is sent, and the error is logged
        return _Part(error=template_errors.explain_render_error(error, template))
    if of_request:
        return _Part(rendered.text)
    misfit = ONLY_NEWEST if hides_members else _missing_values(rendered.empty_names, message.event)
    return _Part("" if misfit else rendered.text, misfit=misfit, empty_names=rendered.empty_names)


def _missing_values(empty_names: Sequence[str], kind: EventKind) -> str:
    """The variables that leave a gap in a message of this kind, as a sentence; empty without any."""
    missing = [
        f"`{name}`"
        for name in empty_names
        if name in template_variables.NAMES and not template_variables.is_optional(name, kind)
    ]
    return f"{', '.join(missing)} {'has' if len(missing) == 1 else 'have'} no value for this event" if missing else ""


def _error_in(text: str) -> str:
    from app.domain.text import liquid, template_errors  # noqa: PLC0415  # 20 MB, for channels with templates only

    try:
        template_errors.compile_template(text)
    except template_errors.TemplateError as error:
        return str(error)
    sample = sample_message(EventKind.MONITOR_DOWN)
    problem = _render_part(text, template_variables.variable_values(sample), sample).error
    return problem if any(limit in problem for limit in liquid.LIMIT_ERRORS) else ""
