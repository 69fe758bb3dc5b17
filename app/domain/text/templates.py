"""A channel's message templates: validated when they are saved, rendered into a message's title and text. Pure.

When a template fails, the default text is sent: no message is lost to a template. Liquid is imported with the first
template, so that an installation without templates saves its memory.
"""

import msgspec
from msgspec import Struct

from app.domain.alerting import sample_events
from app.domain.alerting.messages import message_from_event
from app.domain.parsing.plain_text import multi_line, one_line
from app.domain.text import template_variables
from app.domain.text.formatting import TITLE_LIMIT
from schema.channels.rules import Templates
from schema.errors import FieldError
from schema.events import EventKind
from schema.message import Message

MAX_OUTPUT_CHARS = 4_000  # of a rendered text


class Rendering(Struct, frozen=True):
    """A message rendered by its channel's templates, and the errors, for the log or a preview."""

    message: Message
    errors: list[str] = []


def render(templates: Templates, message: Message) -> Rendering:
    """The message with the channel's title and text; the defaults where it has no template, or one fails."""
    if templates == Templates():
        return Rendering(message)
    values, rendered, errors = template_variables.variable_values(message), dict[str, str](), list[str]()
    for name, text in msgspec.structs.asdict(templates).items():
        if text:
            rendered[name], error = _render_text(text, values)
            errors += [f"templates.{name}: {error}"] if error else []
    title = one_line(rendered.get("title", ""), TITLE_LIMIT)
    text = multi_line(rendered.get("text", ""), MAX_OUTPUT_CHARS)
    return Rendering(msgspec.structs.replace(message, title=title, text=text), errors)


def errors_in(templates: Templates) -> list[FieldError]:
    """The errors of templates that are to be saved: what can't be parsed, and what costs too much."""
    errors = []
    for name, text in msgspec.structs.asdict(templates).items():
        if text and (error := _error_in(text)):
            errors.append(FieldError(f"templates.{name}", error))
    return errors


def warnings_for(templates: Templates) -> list[str]:
    """Unknown variables in valid templates: they are empty in every message."""
    names: dict[str, None] = {}
    for text in filter(None, msgspec.structs.astuple(templates)):
        from app.domain.text import template_errors  # noqa: PLC0415  # 20 MB, for channels with templates only

        template = template_errors.compile_template(text)
        unknown = template_errors.unknown_names(template, template_variables.NAMES, template_variables.OPEN_ENDED)
        names |= dict.fromkeys(unknown)
    return [f"there is no variable {name}" for name in names]


def render_part(text: str, message: Message) -> tuple[str, str]:
    """(a part of a request rendered from its template, never cut off; the error)."""
    return _render_text(text, template_variables.variable_values(message), whole=True)


def error_in(text: str) -> str:
    """The error of one template that is to be saved; empty for a valid one, or none."""
    return _error_in(text) if text else ""


def _render_text(text: str, values: dict[str, object], *, whole: bool = False) -> tuple[str, str]:
    """(the rendered text, the error)."""
    from app.domain.text import liquid, template_errors  # noqa: PLC0415  # 20 MB, for channels with templates only

    try:
        return liquid.render(template_errors.compile_template(text), values, whole=whole), ""
    except template_errors.TemplateError as error:
        return "", str(error)
    except Exception as error:  # noqa: BLE001  # whatever a template breaks, the message is sent, and the error is logged
        return "", template_errors.explain_render_error(error, text)


def _error_in(text: str) -> str:
    from app.domain.text import liquid, template_errors  # noqa: PLC0415  # 20 MB, for channels with templates only

    try:
        template_errors.compile_template(text)
    except template_errors.TemplateError as error:
        return str(error)
    sample = message_from_event(sample_events.sample_event(EventKind.MONITOR_DOWN), "")
    _, problem = _render_text(text, template_variables.variable_values(sample))
    return problem if any(limit in problem for limit in liquid.LIMIT_ERRORS) else ""
