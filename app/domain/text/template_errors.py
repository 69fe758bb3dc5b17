"""Compiles templates, explains their errors with a line number, and finds unknown variables. Pure."""

import re
from collections.abc import Collection, Iterator
from functools import lru_cache

from liquid import BoundTemplate
from liquid.exceptions import LiquidError

from app.domain.parsing.plain_text import one_line
from app.domain.text.liquid import ENVIRONMENT

CACHED_TEMPLATES = 256
MAX_GAP_CHARS, MAX_TAG_CHARS = 50, 1_000  # the parser's time grows with their square
_TAG_START = re.compile(r"\{\{|\{%")
_VERBATIM = re.compile(r"\{%-?\s{0,50}(raw|doc)\s{0,50}-?%\}")
_WIDE_GAP = re.compile(rf"\s{{{MAX_GAP_CHARS + 1}}}")
_NOT_CLOSED = re.compile(r"expected tag end(\w+)")
_UNEXPECTED = re.compile(r"unexpected tag '(\w+)'")
_TAG_ENDS = {"{{": "}}", "{%": "%}"}


class TemplateError(Exception):
    """A template that can't be parsed or rendered. The message says where and why."""


@lru_cache(maxsize=CACHED_TEMPLATES)
def compile_template(text: str) -> BoundTemplate:
    """Compile a template. Raises TemplateError."""
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
    """Variables that the template uses and that do not exist.

    known         dotted names
    open_ended    names below which any name is allowed
    """
    found: dict[str, None] = {}
    for variables in template.analyze(include_partials=False).globals.values():
        for variable in variables:
            steps = [str(step) for step in variable.segments if isinstance(step, str)]
            if steps and steps[0] not in open_ended and not _is_known(steps, known):
                found[".".join(steps)] = None
    return [one_line(name, 100) for name in found]


def used_names(template: BoundTemplate) -> frozenset[str]:
    """The variables that the template uses, by the first part of their names."""
    return frozenset(template.analyze(include_partials=False).globals)


def explain_render_error(error: Exception, text: str) -> str:
    """Why a rendering failed."""
    if not isinstance(error, LiquidError):
        return f"it can't be rendered ({type(error).__name__})"
    index = error.token.start_index if error.token else -1
    return one_line(f"{_line_prefix(text, index)}{error.message}", 200)


def _is_known(steps: list[str], known: Collection[str]) -> bool:
    """Whether the variable exists; every value has `size`, `first` and `last`."""
    ends = {"size", "first", "last"} if len(steps) > 1 else set()
    return ".".join(steps) in known or (steps[-1] in ends and ".".join(steps[:-1]) in known)


def _split_tags(text: str) -> Iterator[str]:
    """Every tag, as written. Raises TemplateError for a tag that the parser would take too long for."""
    position = 0
    while match := _TAG_START.search(text, position):
        start = match.start()
        if verbatim := _VERBATIM.match(text, start):
            end = re.compile(rf"\{{%-?\s*end{verbatim[1]}\s*-?%\}}").search(text, verbatim.end())
            if end is None:
                raise TemplateError(f"{_line_prefix(text, start)}{{% {verbatim[1]} %}} is not closed")
            position = end.end()
            continue
        position = text.find(_TAG_ENDS[match[0]], start + 2) + 2
        if position < 2:  # noqa: PLR2004  # `find` found nothing
            raise TemplateError(
                f"{_line_prefix(text, start)}{match[0]} is not closed: {_TAG_ENDS[match[0]]} is missing"
            )
        tag = text[start:position]
        if len(tag) > MAX_TAG_CHARS:
            raise TemplateError(f"{_line_prefix(text, start)}a tag has more than {MAX_TAG_CHARS:,} characters")
        if _WIDE_GAP.search(tag):
            raise TemplateError(f"{_line_prefix(text, start)}a tag has a gap of more than {MAX_GAP_CHARS} spaces")
        yield tag


def _explain_parse_error(text: str, tags: list[str], error: LiquidError) -> str:
    message = str(error.message)
    if found := _NOT_CLOSED.search(message):
        return f"{{% {found[1]} %}} is not closed: {{% end{found[1]} %}} is missing"
    line = _line_prefix(text, error.token.start_index if error.token else -1) or _locate_error(text, tags, message)
    if found := _UNEXPECTED.search(message):
        name = found[1]
        problem = "closes a block that is not open" if name.startswith("end") else "is not a valid tag here"
        return f"{line}{{% {name} %}} {problem}"
    if isinstance(error.__cause__, RecursionError) or "nesting limit" in message:
        return f"{line}it is nested too deep"
    return one_line(f"{line}can't be read: {message}", 200)


def _locate_error(text: str, tags: list[str], message: str) -> str:
    """The line of the first tag that alone raises the same message: errors at a tag's end have no position."""
    position = 0
    for tag in tags:
        position = text.index(tag, position)
        try:
            ENVIRONMENT.from_string(tag)
        except LiquidError as error:
            if str(error.message) == message:
                return _line_prefix(text, position)
    return ""


def _line_prefix(text: str, index: int) -> str:
    """`line 3: ` for an index into the text; empty when there is no index."""
    newlines = text.count("\n", 0, index) if 0 <= index <= len(text) else -1
    return f"line {newlines + 1}: " if newlines >= 0 else ""
