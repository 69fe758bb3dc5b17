"""Reads templates: what is wrong with one, where, in our words; which names of it nobody knows. Pure."""

import re
from collections.abc import Collection, Iterator
from functools import lru_cache

from liquid import BoundTemplate
from liquid.exceptions import LiquidError

from app.domain.parsing.plain_text import one_line
from app.domain.text.liquid import ENVIRONMENT

CACHED_TEMPLATES = 256  # templates, read
MAX_GAP_CHARS, MAX_TAG_CHARS = 50, 1_000  # characters: the reader's time grows with their square
_TAG_START = re.compile(r"\{\{|\{%")
_VERBATIM = re.compile(r"\{%-?\s{0,50}(raw|doc)\s{0,50}-?%\}")
_WIDE_GAP = re.compile(rf"\s{{{MAX_GAP_CHARS + 1}}}")
_NOT_CLOSED = re.compile(r"expected tag end(\w+)")
_UNEXPECTED = re.compile(r"unexpected tag '(\w+)'")
_TAG_ENDS = {"{{": "}}", "{%": "%}"}


class TemplateError(Exception):  # names the fact
    """A template that can't be read, or not be carried out. Its words say where and why."""


@lru_cache(maxsize=CACHED_TEMPLATES)
def compile_template(text: str) -> BoundTemplate:
    """The template. Raises Unusable."""
    tags = list(_split_tags(text))
    try:
        template = ENVIRONMENT.from_string(text)
    except LiquidError as error:
        raise TemplateError(_explain_parse_error(text, tags, error)) from error
    for name, spans in template.analyze(include_partials=False).filters.items():
        if name not in ENVIRONMENT.filters:
            raise TemplateError(f"{_line_prefix(text, spans[0].index)}there is no filter {name!r}")
    return template


def unknown_names(template: BoundTemplate, known: Collection[str], open_ended: Collection[str]) -> list[str]:
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


def explain_render_error(error: Exception, text: str) -> str:
    """Why a rendering failed."""
    if not isinstance(error, LiquidError):
        return f"it can't be carried out ({type(error).__name__})"
    index = error.token.start_index if error.token else -1
    return one_line(f"{_line_prefix(text, index)}{error.message}", 200)


def _is_known(steps: list[str], known: Collection[str]) -> bool:
    """Whether somebody gives this name; `size`, `first` and `last` are of any value."""
    ends = {"size", "first", "last"} if len(steps) > 1 else set()
    return ".".join(steps) in known or (steps[-1] in ends and ".".join(steps[:-1]) in known)


def _split_tags(text: str) -> Iterator[str]:
    """Every tag, as it is written. Raises Unusable for what would cost the reader too much time."""
    position = 0
    while found := _TAG_START.search(text, position):
        start = found.start()
        if verbatim := _VERBATIM.match(text, start):
            end = re.compile(rf"\{{%-?\s*end{verbatim[1]}\s*-?%\}}").search(text, verbatim.end())
            if end is None:
                raise TemplateError(f"{_line_prefix(text, start)}{{% {verbatim[1]} %}} is not closed")
            position = end.end()
            continue
        position = text.find(_TAG_ENDS[found[0]], start + 2) + 2
        if position < 2:  # noqa: PLR2004  # `find` found nothing
            raise TemplateError(
                f"{_line_prefix(text, start)}{found[0]} is not closed: {_TAG_ENDS[found[0]]} is missing"
            )
        tag = text[start:position]
        if len(tag) > MAX_TAG_CHARS:
            raise TemplateError(f"{_line_prefix(text, start)}a tag has more than {MAX_TAG_CHARS:,} characters")
        if _WIDE_GAP.search(tag):
            raise TemplateError(f"{_line_prefix(text, start)}a tag has a gap of more than {MAX_GAP_CHARS} spaces")
        yield tag


def _explain_parse_error(text: str, tags: list[str], error: LiquidError) -> str:
    said = str(error.message)
    if found := _NOT_CLOSED.search(said):
        return f"{{% {found[1]} %}} is not closed: {{% end{found[1]} %}} is missing"
    where = _line_prefix(text, error.token.start_index if error.token else -1) or _locate_error(text, tags, said)
    if found := _UNEXPECTED.search(said):
        name = found[1]
        ends = "closes nothing that is open here" if name.startswith("end") else "is no tag that can stand here"
        return f"{where}{{% {name} %}} {ends}"
    if isinstance(error.__cause__, RecursionError) or "nesting limit" in said:
        return f"{where}it is nested too deep"
    return one_line(f"{where}can't be read: {said}", 200)


def _locate_error(text: str, tags: list[str], said: str) -> str:
    """The line of the first tag that alone is refused in these words: errors at a tag's end have no place."""
    position = 0
    for tag in tags:
        position = text.index(tag, position)
        try:
            ENVIRONMENT.from_string(tag)
        except LiquidError as error:
            if str(error.message) == said:
                return _line_prefix(text, position)
    return ""


def _line_prefix(text: str, index: int) -> str:
    """The line that an index lies in; nothing when there is no index."""
    newlines = text.count("\n", 0, index) if 0 <= index <= len(text) else -1
    return f"line {newlines + 1}: " if newlines >= 0 else ""
