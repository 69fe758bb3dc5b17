"""A channel's own words: its templates checked when they are saved, and made into a message's title and text. Pure.

What can't be rendered falls back to our words: a message is never lost for a template. The reader of templates is
loaded when the first one is met; who has none does not pay for it.
"""

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from app.domain.alerting import sample_events
from app.domain.alerting.messages import message_of
from app.domain.text import template_variables
from app.domain.text.formatting import TITLE_LIMIT, lines_of, one_line
from schema.channels.terms import Templates
from schema.errors import FieldError
from schema.events import EventKind
from schema.message import Message

if TYPE_CHECKING:
    from liquid import BoundTemplate

OUTPUT_LIMIT = 4_000  # characters of a rendered text


class Rendering(Struct, frozen=True):
    """A message in its channel's words, and what went wrong on the way there: for a log, or for who tries it out."""

    message: Message
    troubles: list[str] = []


def rendered(templates: Templates, message: Message) -> Message:
    """The message in the channel's words; in ours where it has none, or where they fail."""
    return rendering_of(templates, message).message


def rendering_of(templates: Templates, message: Message) -> Rendering:
    """The same, and what went wrong."""
    if templates == Templates():
        return Rendering(message)
    values, told, troubles = template_variables.values_of(message), dict[str, str](), list[str]()
    for name, text in msgspec.structs.asdict(templates).items():
        if text:
            told[name], trouble = _said(text, values)
            troubles += [f"templates.{name}: {trouble}"] if trouble else []
    title, text = one_line(told.get("title", ""), TITLE_LIMIT), lines_of(told.get("text", ""), OUTPUT_LIMIT)
    return Rendering(msgspec.structs.replace(message, title=title, text=text), troubles)


def faults(templates: Templates) -> list[FieldError]:
    """What is wrong with templates that somebody wants to keep: what can't be read, and what costs too much."""
    found = []
    for name, text in msgspec.structs.asdict(templates).items():
        if text and (fault := _fault(text)):
            found.append(FieldError(f"templates.{name}", fault))
    return found


def doubts(templates: Templates) -> list[str]:
    """Names in templates without faults that nobody gives them: they are empty in every message."""
    names: dict[str, None] = {}
    for text in filter(None, msgspec.structs.astuple(templates)):
        from app.domain.text import template_errors  # noqa: PLC0415  # only who has templates pays for their reader

        names |= dict.fromkeys(
            template_errors.unknown(
                template_errors.compiled(text), template_variables.NAMES, template_variables.OPEN_ENDED
            )
        )
    return [f"there is no variable {name}" for name in names]


def compiled(text: str) -> "BoundTemplate":
    """The template; kept, so that it is read once. Raises `app.domain.text.template_errors.Unusable`."""
    from app.domain.text import template_errors  # noqa: PLC0415  # only who has templates pays for their reader

    return template_errors.compiled(text)


def _said(text: str, values: dict[str, object]) -> tuple[str, str]:
    """What a template makes of these values, and what went wrong."""
    from app.domain.text import (  # noqa: PLC0415  # only who has templates pays for their reader
        liquid,
        template_errors,
    )

    try:
        return liquid.rendered(template_errors.compiled(text), values), ""
    except template_errors.Unusable as unusable:
        return "", str(unusable)
    except Exception as error:  # noqa: BLE001  # whatever a template breaks, the message goes out, and says why
        return "", template_errors.explained(error, text)


def _fault(text: str) -> str:
    from app.domain.text import (  # noqa: PLC0415  # only who has templates pays for their reader
        liquid,
        template_errors,
    )

    try:
        template_errors.compiled(text)
    except template_errors.Unusable as unusable:
        return str(unusable)
    _, trouble = _said(text, template_variables.values_of(message_of(sample_events.of(EventKind.MONITOR_DOWN), "")))
    return trouble if any(limit in trouble for limit in liquid.LIMITS) else ""
