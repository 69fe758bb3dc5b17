"""Reads templates: what is wrong with one, where, in our words; which names of it nobody knows. Pure."""

import re
from collections.abc import Collection, Iterator
from functools import lru_cache

from liquid import BoundTemplate
from liquid.exceptions import LiquidError

from app.domain.text.formatting import one_line
from app.domain.text.liquid import ENVIRONMENT

KEPT = 256  # templates, read
GAP, TAG_LIMIT = 50, 1_000  # characters: the reader's time grows with their square
_OPENING = re.compile(r"\{\{|\{%")
_VERBATIM = re.compile(r"\{%-?\s{0,50}(raw|doc)\s{0,50}-?%\}")
_WIDE = re.compile(rf"\s{{{GAP + 1}}}")
_NOT_CLOSED = re.compile(r"expected tag end(\w+)")
_UNEXPECTED = re.compile(r"unexpected tag '(\w+)'")
_CLOSING = {"{{": "}}", "{%": "%}"}


class Unusable(Exception):  # noqa: N818  # names the fact
    """A template that can't be read, or not be carried out. Its words say where and why."""


@lru_cache(maxsize=KEPT)
def compiled(text: str) -> BoundTemplate:
    """The template. Raises Unusable."""
    tags = list(_tags(text))
    try:
        template = ENVIRONMENT.from_string(text)
    except LiquidError as error:
        raise Unusable(_explained(text, tags, error)) from error
    for name, spans in template.analyze(include_partials=False).filters.items():
        if name not in ENVIRONMENT.filters:
            raise Unusable(f"{_at(text, spans[0].index)}there is no filter {name!r}")
    return template


def unknown(template: BoundTemplate, known: Collection[str], open_ended: Collection[str]) -> list[str]:
    """Names that the template uses, and that nobody gives it.

    known         dotted names
    open_ended    those below which anything may be
    """
    found: dict[str, None] = {}
    for variables in template.analyze(include_partials=False).globals.values():
        for variable in variables:
            steps = [str(one) for one in variable.segments if isinstance(one, str)]
            if steps and steps[0] not in open_ended and not _is_known(steps, known):
                found[".".join(steps)] = None
    return [one_line(name, 100) for name in found]


def explained(error: Exception, text: str) -> str:
    """Why a rendering failed."""
    if not isinstance(error, LiquidError):
        return f"it can't be carried out ({type(error).__name__})"
    index = error.token.start_index if error.token else -1
    return one_line(f"{_at(text, index)}{error.message}", 200)


def _is_known(steps: list[str], known: Collection[str]) -> bool:
    """Whether somebody gives this name; `size`, `first` and `last` are of any value."""
    ends = {"size", "first", "last"} if len(steps) > 1 else set()
    return ".".join(steps) in known or (steps[-1] in ends and ".".join(steps[:-1]) in known)


def _tags(text: str) -> Iterator[str]:
    """Every tag, as it is written. Raises Unusable for what would cost the reader too much time."""
    position = 0
    while found := _OPENING.search(text, position):
        start = found.start()
        if verbatim := _VERBATIM.match(text, start):
            end = re.compile(rf"\{{%-?\s*end{verbatim[1]}\s*-?%\}}").search(text, verbatim.end())
            if end is None:
                raise Unusable(f"{_at(text, start)}{{% {verbatim[1]} %}} is not closed")
            position = end.end()
            continue
        position = text.find(_CLOSING[found[0]], start + 2) + 2
        if position < 2:  # noqa: PLR2004  # `find` found nothing
            raise Unusable(f"{_at(text, start)}{found[0]} is not closed: {_CLOSING[found[0]]} is missing")
        tag = text[start:position]
        if len(tag) > TAG_LIMIT:
            raise Unusable(f"{_at(text, start)}a tag has more than {TAG_LIMIT:,} characters")
        if _WIDE.search(tag):
            raise Unusable(f"{_at(text, start)}a tag has a gap of more than {GAP} spaces")
        yield tag


def _explained(text: str, tags: list[str], error: LiquidError) -> str:
    said = str(error.message)
    if found := _NOT_CLOSED.search(said):
        return f"{{% {found[1]} %}} is not closed: {{% end{found[1]} %}} is missing"
    where = _at(text, error.token.start_index if error.token else -1) or _searched(text, tags, said)
    if found := _UNEXPECTED.search(said):
        name = found[1]
        ends = "closes nothing that is open here" if name.startswith("end") else "is no tag that can stand here"
        return f"{where}{{% {name} %}} {ends}"
    if isinstance(error.__cause__, RecursionError) or "nesting limit" in said:
        return f"{where}it is nested too deep"
    return one_line(f"{where}can't be read: {said}", 200)


def _searched(text: str, tags: list[str], said: str) -> str:
    """The line of the first tag that alone is refused in these words: errors at a tag's end have no place."""
    position = 0
    for tag in tags:
        position = text.index(tag, position)
        try:
            ENVIRONMENT.from_string(tag)
        except LiquidError as error:
            if str(error.message) == said:
                return _at(text, position)
    return ""


def _at(text: str, index: int) -> str:
    """The line that an index lies in; nothing when there is no index."""
    newlines = text.count("\n", 0, index) if 0 <= index <= len(text) else -1
    return f"line {newlines + 1}: " if newlines >= 0 else ""
