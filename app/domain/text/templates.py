"""A channel's own words: its templates checked when they are saved, and made into a message's title and text. Pure.

What can't be rendered falls back to our words: a message is never lost for a template. The reader of templates is
loaded when the first one is met; who has none does not pay for it.
"""

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from app.domain.alerting import sample_events
from app.domain.alerting.messages import message_from_event
from app.domain.parsing.plain_text import multi_line, one_line
from app.domain.text import template_variables
from app.domain.text.formatting import TITLE_LIMIT
from schema.channels.terms import Templates
from schema.errors import FieldError
from schema.events import EventKind
from schema.message import Message

if TYPE_CHECKING:
    from liquid import BoundTemplate

MAX_OUTPUT_CHARS = 4_000  # characters of a rendered text


class Rendering(Struct, frozen=True):
    """A message in its channel's words, and what went wrong on the way there: for a log, or for who tries it out."""

    message: Message
    errors: list[str] = []


def render_message(templates: Templates, message: Message) -> Message:
    """The message in the channel's words; in ours where it has none, or where they fail."""
    return render(templates, message).message


def render(templates: Templates, message: Message) -> Rendering:
    """The same, and what went wrong."""
    if templates == Templates():
        return Rendering(message)
    values, told, troubles = template_variables.variable_values(message), dict[str, str](), list[str]()
    for name, text in msgspec.structs.asdict(templates).items():
        if text:
            told[name], trouble = _render_text(text, values)
            troubles += [f"templates.{name}: {trouble}"] if trouble else []
    title, text = one_line(told.get("title", ""), TITLE_LIMIT), multi_line(told.get("text", ""), MAX_OUTPUT_CHARS)
    return Rendering(msgspec.structs.replace(message, title=title, text=text), troubles)


def errors_in(templates: Templates) -> list[FieldError]:
    """What is wrong with templates that somebody wants to keep: what can't be read, and what costs too much."""
    found = []
    for name, text in msgspec.structs.asdict(templates).items():
        if text and (fault := _error_in(text)):
            found.append(FieldError(f"templates.{name}", fault))
    return found


def warnings_for(templates: Templates) -> list[str]:
    """Names in templates without faults that nobody gives them: they are empty in every message."""
    names: dict[str, None] = {}
    for text in filter(None, msgspec.structs.astuple(templates)):
        from app.domain.text import template_errors  # noqa: PLC0415  # only who has templates pays for their reader

        names |= dict.fromkeys(
            template_errors.unknown_names(
                template_errors.compile_template(text), template_variables.NAMES, template_variables.OPEN_ENDED
            )
        )
    return [f"there is no variable {name}" for name in names]


def compile_template(text: str) -> "BoundTemplate":
    """The template; kept, so that it is read once. Raises `app.domain.text.template_errors.TemplateError`."""
    from app.domain.text import template_errors  # noqa: PLC0415  # only who has templates pays for their reader

    return template_errors.compile_template(text)


def _render_text(text: str, values: dict[str, object]) -> tuple[str, str]:
    """What a template makes of these values, and what went wrong."""
    from app.domain.text import (  # noqa: PLC0415  # only who has templates pays for their reader
        liquid,
        template_errors,
    )

    try:
        return liquid.render(template_errors.compile_template(text), values), ""
    except template_errors.TemplateError as unusable:
        return "", str(unusable)
    except Exception as error:  # noqa: BLE001  # whatever a template breaks, the message goes out, and says why
        return "", template_errors.explain_render_error(error, text)


def _error_in(text: str) -> str:
    from app.domain.text import (  # noqa: PLC0415  # only who has templates pays for their reader
        liquid,
        template_errors,
    )

    try:
        template_errors.compile_template(text)
    except template_errors.TemplateError as unusable:
        return str(unusable)
    _, trouble = _render_text(
        text,
        template_variables.variable_values(message_from_event(sample_events.sample_event(EventKind.MONITOR_DOWN), "")),
    )
    return trouble if any(limit in trouble for limit in liquid.LIMIT_ERRORS) else ""
