"""Liquid, fenced in: what a template may name, call and cost. Pure; importing it costs 20 MB and half a second.

What a template costs is counted, not timed, so that a template that was once good stays good on a busy machine. A turn
of a loop costs the length of the loop's body; a filter costs by the size of what it is given. Values are plain JSON:
there is nothing behind them to be reached. Nothing is read from disk, and nothing comes from a clock.
"""

from collections.abc import Callable
from typing import Any, ClassVar, TextIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from liquid import BoundTemplate, Environment, RenderContext
from liquid.builtin.tags.for_tag import ForNode, ForTag
from liquid.exceptions import FilterArgumentError, FilterError, LoopIterationLimitError, OutputStreamLimitError
from liquid.token import Token
from liquid.undefined import Undefined

from app.domain.text.formatting import parse_instant

MAX_OUTPUT_BYTES = 16_000  # four a character
MAX_VALUE_SIZE = 8_000  # the size of the largest value; twice what a message may hold
MAX_COST = 30_000  # what a rendering may cost: measured, the dearest one takes less than 50 ms
FILTER_COST, TURN_COST = 16, 16  # of a filter whatever it is given, of a turn whatever it holds
MAX_FORMAT_CHARS = 100
DISABLED_TAGS = ("include", "render", "tablerow")  # other templates, and HTML tables
DISABLED_FILTERS = ("strip_html", "escape_once")  # both take their time with hostile text
TOO_EXPENSIVE = "it takes too long: too many turns of loops, or too much text in filters"
TOO_LARGE = "a value becomes too large"
LIMIT_ERRORS = (TOO_EXPENSIVE, TOO_LARGE, "limit reached")  # the last are Liquid's own words
_NO_CLOCK = {"now": None, "today": None}  # every attempt at a delivery says the same


class _MeteredContext(RenderContext):
    """Names of one rendering, and what it has left to spend."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.budget_left = MAX_COST
        self.turn_costs: list[int] = []

    def spend(self, cost: int) -> None:
        """Pay, or end the rendering."""
        self.budget_left -= cost
        if self.budget_left < 0:
            raise LoopIterationLimitError(TOO_EXPENSIVE, token=None)

    def raise_for_loop_limit(self, length: int = 1) -> None:
        """Pay for all turns of the loop that begins."""
        self.spend(length * self.turn_costs[-1])

    def assign(self, key: str, val: Any) -> None:
        """Keep a value under a name."""
        self.spend(FILTER_COST + size_cost(val))
        self.locals[key] = val

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        """Find a filter that pays for what it is given, and gives back nothing that is too large."""
        apply = super().filter(name, token)

        def measured(*args: Any, **kwargs: Any) -> object:
            given = max(map(size_cost, args))
            _check_size(given)
            self.spend(FILTER_COST + given // 8)
            made = apply(*args, **kwargs)
            _check_size(size_cost(made))
            return made

        return measured


class _MeteredTemplate(BoundTemplate):
    context_class = _MeteredContext


class _MeteredFor(ForNode):
    """A loop that knows what a turn of it costs."""

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        """Render the turns."""
        assert isinstance(context, _MeteredContext)
        context.turn_costs.append(TURN_COST + len(str(self.block)))
        try:
            return super().render_to_output(context, buffer)
        finally:
            context.turn_costs.pop()


class _MeteredForTag(ForTag):
    node_class = _MeteredFor


class _RestrictedEnvironment(Environment):
    block_nesting_limit: ClassVar[int] = 20
    output_stream_limit: ClassVar[int | None] = MAX_OUTPUT_BYTES
    template_class = _MeteredTemplate

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """Liquid's own, less some, and with some of ours."""
        super().setup_tags_and_filters(extra=extra)
        for name in DISABLED_TAGS:
            del self.tags[name]
        for name in DISABLED_FILTERS:
            del self.filters[name]
        self.add_tag(_MeteredForTag)
        self.filters |= CUSTOM_FILTERS


def size_cost(value: object) -> int:
    """About how much work a value makes: characters, and lists by the square, since some filters compare all to all."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list | tuple):
        return sum(len(one) if isinstance(one, str) else 16 for one in value) + len(value) ** 2 // 4
    if isinstance(value, range):
        return MAX_VALUE_SIZE + 1 if value.stop - value.start > MAX_VALUE_SIZE else len(value) ** 2 // 4
    if isinstance(value, int):
        return value.bit_length() // 3
    return 16 * (1 + len(value)) if isinstance(value, dict) else 16


def format_date(value: object, form: object = "", zone: object = "UTC") -> object:
    """An instant as `strftime` writes it, in a time zone; what is no instant stays as it is."""
    at = parse_instant(value) if isinstance(value, str) else None
    if at is None or not isinstance(form, str) or not form:
        return value
    try:
        return at.astimezone(_parse_zone(zone)).strftime(form[:MAX_FORMAT_CHARS])
    except (ValueError, OverflowError) as error:
        raise FilterArgumentError(f"date: {error}", token=None) from error


def to_json(value: object) -> str:
    """A value as JSON."""
    return msgspec.json.encode(value, enc_hook=_json_fallback).decode()


def replace_text(value: object, old: object, new: object = "") -> str:
    """The text with each `old` made `new`."""
    text, old, new = (_to_text(one) for one in (value, old, new))
    _check_size(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


def render(template: BoundTemplate, values: dict[str, Any]) -> str:
    """What the template says. Raises LiquidError, or whatever else went wrong in it."""
    buffer: Any = template._get_buffer()  # noqa: SLF001  # what was written before the limit is still good
    context = template.context_class(template, globals=_NO_CLOCK | values)
    try:
        template.render_with_context(context, buffer)
    except OutputStreamLimitError:
        return str(buffer.getvalue())
    return str(buffer.getvalue())


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
