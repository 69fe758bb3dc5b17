"""A restricted Liquid environment with limits on a template's cost. Pure; the import takes 20 MB and half a second.

The cost of a template is counted, not timed, so that a template that passed once also passes on a busy machine. A turn
of a loop costs the length of the loop's body; a filter costs by the size of its arguments. Values are plain JSON, so
that no attribute leads to our objects. Templates read no files and no clock.
"""

from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any, ClassVar, TextIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from liquid import BoundTemplate, Environment, RenderContext
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.echo_tag import EchoNode, EchoTag
from liquid.builtin.tags.for_tag import ForNode, ForTag
from liquid.exceptions import FilterArgumentError, FilterError, LoopIterationLimitError, OutputStreamLimitError
from liquid.filter import with_context
from liquid.token import Token
from liquid.undefined import Undefined

from app.domain.text.formatting import local_time, parse_instant

MAX_OUTPUT_BYTES = 16_000  # four for a character
MAX_VALUE_SIZE = 8_000  # of one value; twice what a message may hold
MAX_COST = 30_000  # of one rendering: measured, the most expensive takes less than 50 ms
FILTER_COST, TURN_COST = 16, 16  # fixed cost of each filter call and of each turn of a loop
MAX_FORMAT_CHARS = 100
DISABLED_TAGS = ("include", "render", "tablerow")  # other templates, and HTML tables
DISABLED_FILTERS = ("strip_html", "escape_once")  # both are slow with hostile text
FILTERS_OF_NIL = frozenset({"default", "json"})  # they print something for nil, which the template asks for
TOO_EXPENSIVE = "it takes too long, because of too many loop iterations or too much text in filters"
TOO_LARGE = "a value becomes too large"
LIMIT_ERRORS = (TOO_EXPENSIVE, TOO_LARGE, "limit reached")  # the last is Liquid's own wording
_NO_CLOCK = {"now": None, "today": None}  # every attempt of a delivery renders the same text


class RenderedText(msgspec.Struct, frozen=True):
    """A rendered template, and the variables, as dotted names, that it printed without a value."""

    text: str
    empty_names: tuple[str, ...]


class _MeteredContext(RenderContext):
    """The variables of one rendering, its remaining budget, and the variables that it printed without a value."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.budget_left = MAX_COST
        self.turn_costs: list[int] = []
        self.empty_names: dict[str, None] = {}

    def spend(self, cost: int) -> None:
        """Charge the budget; ends the rendering when it is used up."""
        self.budget_left -= cost
        if self.budget_left < 0:
            raise LoopIterationLimitError(TOO_EXPENSIVE, token=None)

    def raise_for_loop_limit(self, length: int = 1) -> None:
        """Charge for all turns of the loop that begins."""
        self.spend(length * self.turn_costs[-1])

    def assign(self, key: str, val: Any) -> None:
        """Assign a value to a variable."""
        self.spend(FILTER_COST + size_cost(val))
        self.locals[key] = val

    def note_empty(self, expression: object) -> None:
        """Note the variable that an output prints, if it has no value and no filter that prints one."""
        if not isinstance(expression, FilteredExpression) or not isinstance(expression.left, Path):
            return
        steps = expression.left.path
        has_default = any(one.name in FILTERS_OF_NIL for one in expression.filters or ())
        if has_default or not all(isinstance(step, str) for step in steps) or steps[0] in self.locals:
            return
        value = expression.left.evaluate(self)
        if value is None or isinstance(value, Undefined):
            self.empty_names[".".join(map(str, steps))] = None

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        """Find a filter; each call is charged, and fails when an argument or the result is too large."""
        apply = super().filter(name, token)

        def metered(*args: Any, **kwargs: Any) -> object:
            size = max(map(size_cost, args))
            _check_size(size)
            self.spend(FILTER_COST + size // 8)
            result = apply(*args, **kwargs)
            _check_size(size_cost(result))
            return result

        return metered


class _MeteredTemplate(BoundTemplate):
    context_class = _MeteredContext


class _MeteredFor(ForNode):
    """A loop whose turns are charged."""

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        """Render all turns."""
        assert isinstance(context, _MeteredContext)
        context.turn_costs.append(TURN_COST + len(str(self.block)))
        try:
            return super().render_to_output(context, buffer)
        finally:
            context.turn_costs.pop()


class _MeteredForTag(ForTag):
    node_class = _MeteredFor


class _NotingOutput(OutputNode):
    """`{{ … }}`: notes a variable without a value."""

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        """Print the value."""
        assert isinstance(context, _MeteredContext)
        context.note_empty(self.expression)
        return super().render_to_output(context, buffer)


class _NotingOutputTag(Output):
    node_class = _NotingOutput


class _NotingEcho(EchoNode, _NotingOutput):
    """`{% echo … %}`: the same as a tag."""


class _NotingEchoTag(EchoTag):
    node_class = _NotingEcho


class _RestrictedEnvironment(Environment):
    block_nesting_limit: ClassVar[int] = 20
    output_stream_limit: ClassVar[int | None] = MAX_OUTPUT_BYTES
    template_class = _MeteredTemplate

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """Liquid's own without the disabled ones, and our filters."""
        super().setup_tags_and_filters(extra=extra)
        for name in DISABLED_TAGS:
            del self.tags[name]
        for name in DISABLED_FILTERS:
            del self.filters[name]
        for tag in (_MeteredForTag, _NotingOutputTag, _NotingEchoTag):
            self.add_tag(tag)
        self.filters |= CUSTOM_FILTERS


def size_cost(value: object) -> int:
    """Roughly the work for a value: its characters; for lists the square, since some filters compare all pairs."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list | tuple):
        return sum(len(item) if isinstance(item, str) else 16 for item in value) + len(value) ** 2 // 4
    if isinstance(value, range):
        return MAX_VALUE_SIZE + 1 if value.stop - value.start > MAX_VALUE_SIZE else len(value) ** 2 // 4
    if isinstance(value, int):
        return value.bit_length() // 3
    return 16 * (1 + len(value)) if isinstance(value, dict) else 16


@with_context
def format_date(value: object, form: object = "", zone: object = None, *, context: RenderContext) -> object:
    """The filter `date`: an instant by `strftime`, in a time zone or the channel's; other values stay as they are."""
    at = parse_instant(value) if isinstance(value, str) else None
    if at is None or not isinstance(form, str) or not form:
        return value
    try:
        local = local_time(at, str(context.globals["timezone"])) if zone is None else at.astimezone(_parse_zone(zone))
        return local.strftime(form[:MAX_FORMAT_CHARS])
    except (ValueError, OverflowError) as error:
        raise FilterArgumentError(f"date: {error}", token=None) from error


def to_json(value: object) -> str:
    """The filter `json`: a value as JSON."""
    return msgspec.json.encode(value, enc_hook=_json_fallback).decode()


def replace_text(value: object, old: object, new: object = "") -> str:
    """The filter `replace`: the text with each `old` replaced by `new`."""
    text, old, new = (_to_text(one) for one in (value, old, new))
    _check_size(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


def render(template: BoundTemplate, values: dict[str, Any], *, whole: bool = False) -> RenderedText:
    """Render a template. Raises LiquidError, or any exception of a filter.

    whole    an output above the limit is an error; by default it is cut off
    """
    buffer: Any = template._get_buffer()  # noqa: SLF001  # the output up to the limit is used
    context = _MeteredContext(template, globals=_NO_CLOCK | values)
    with nullcontext() if whole else suppress(OutputStreamLimitError):
        template.render_with_context(context, buffer)
    return RenderedText(str(buffer.getvalue()), tuple(context.empty_names))


def _check_size(size: int) -> None:
    if size > MAX_VALUE_SIZE:
        raise FilterError(TOO_LARGE, token=None)


def _parse_zone(name: object) -> ZoneInfo:
    try:
        return ZoneInfo(_to_text(name))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise FilterArgumentError(f"date: there is no time zone {name}", token=None) from error


def _to_text(value: object) -> str:
    return "" if value is None else str(value)


def _json_fallback(value: object) -> object:
    if isinstance(value, Undefined):
        return None
    return list(value) if isinstance(value, range) else str(value)


CUSTOM_FILTERS: dict[str, Callable[..., object]] = {"date": format_date, "json": to_json, "replace": replace_text}
ENVIRONMENT = _RestrictedEnvironment()
