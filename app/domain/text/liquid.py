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

from app.domain.text.formatting import instant_from

OUTPUT_BYTES = 16_000  # four a character
VALUE_LIMIT = 8_000  # the size of the largest value; twice what a message may hold
BUDGET = 30_000  # what a rendering may cost: measured, the dearest one takes less than 50 ms
CALL, TURN = 16, 16  # of a filter whatever it is given, of a turn whatever it holds
FORMAT_LIMIT = 100
WITHOUT_TAGS = ("include", "render", "tablerow")  # other templates, and HTML tables
WITHOUT_FILTERS = ("strip_html", "escape_once")  # both take their time with hostile text
TOO_DEAR = "it takes too long: too many turns of loops, or too much text in filters"
TOO_LARGE = "a value becomes too large"
LIMITS = (TOO_DEAR, TOO_LARGE, "limit reached")  # the last are Liquid's own words
_NEITHER = {"now": None, "today": None}  # every attempt at a delivery says the same


class _Context(RenderContext):
    """Names of one rendering, and what it has left to spend."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.left = BUDGET
        self.bodies: list[int] = []

    def spend(self, cost: int) -> None:
        """Pay, or end the rendering."""
        self.left -= cost
        if self.left < 0:
            raise LoopIterationLimitError(TOO_DEAR, token=None)

    def raise_for_loop_limit(self, length: int = 1) -> None:
        """Pay for all turns of the loop that begins."""
        self.spend(length * self.bodies[-1])

    def assign(self, key: str, val: Any) -> None:
        """Keep a value under a name."""
        self.spend(CALL + size_of(val))
        self.locals[key] = val

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        """Find a filter that pays for what it is given, and gives back nothing that is too large."""
        apply = super().filter(name, token)

        def measured(*args: Any, **kwargs: Any) -> object:
            given = max(map(size_of, args))
            _refuse_large(given)
            self.spend(CALL + given // 8)
            made = apply(*args, **kwargs)
            _refuse_large(size_of(made))
            return made

        return measured


class _Template(BoundTemplate):
    context_class = _Context


class _For(ForNode):
    """A loop that knows what a turn of it costs."""

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        """Render the turns."""
        assert isinstance(context, _Context)
        context.bodies.append(TURN + len(str(self.block)))
        try:
            return super().render_to_output(context, buffer)
        finally:
            context.bodies.pop()


class _ForTag(ForTag):
    node_class = _For


class _Fenced(Environment):
    block_nesting_limit: ClassVar[int] = 20
    output_stream_limit: ClassVar[int | None] = OUTPUT_BYTES
    template_class = _Template

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """Liquid's own, less some, and with some of ours."""
        super().setup_tags_and_filters(extra=extra)
        for name in WITHOUT_TAGS:
            del self.tags[name]
        for name in WITHOUT_FILTERS:
            del self.filters[name]
        self.add_tag(_ForTag)
        self.filters |= OURS


def size_of(value: object) -> int:
    """About how much work a value makes: characters, and lists by the square, since some filters compare all to all."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list | tuple):
        return sum(len(one) if isinstance(one, str) else 16 for one in value) + len(value) ** 2 // 4
    if isinstance(value, range):
        return VALUE_LIMIT + 1 if value.stop - value.start > VALUE_LIMIT else len(value) ** 2 // 4
    if isinstance(value, int):
        return value.bit_length() // 3
    return 16 * (1 + len(value)) if isinstance(value, dict) else 16


def date(value: object, form: object = "", zone: object = "UTC") -> object:
    """An instant as `strftime` writes it, in a time zone; what is no instant stays as it is."""
    at = instant_from(value) if isinstance(value, str) else None
    if at is None or not isinstance(form, str) or not form:
        return value
    try:
        return at.astimezone(_zone(zone)).strftime(form[:FORMAT_LIMIT])
    except (ValueError, OverflowError) as error:
        raise FilterArgumentError(f"date: {error}", token=None) from error


def json(value: object) -> str:
    """A value as JSON."""
    return msgspec.json.encode(value, enc_hook=_jsonable).decode()


def replace(value: object, old: object, new: object = "") -> str:
    """The text with each `old` made `new`."""
    text, old, new = (_text(one) for one in (value, old, new))
    _refuse_large(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


def rendered(template: BoundTemplate, values: dict[str, Any]) -> str:
    """What the template says. Raises LiquidError, or whatever else went wrong in it."""
    buffer: Any = template._get_buffer()  # noqa: SLF001  # what was written before the limit is still good
    context = template.context_class(template, globals=_NEITHER | values)
    try:
        template.render_with_context(context, buffer)
    except OutputStreamLimitError:
        return str(buffer.getvalue())
    return str(buffer.getvalue())


def _refuse_large(size: int) -> None:
    if size > VALUE_LIMIT:
        raise FilterError(TOO_LARGE, token=None)


def _zone(name: object) -> ZoneInfo:
    try:
        return ZoneInfo(_text(name))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise FilterArgumentError(f"date: there is no time zone {name}", token=None) from error


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _jsonable(value: object) -> object:
    if isinstance(value, Undefined):
        return None
    return list(value) if isinstance(value, range) else str(value)


OURS: dict[str, Callable[..., object]] = {"date": date, "json": json, "replace": replace}
ENVIRONMENT = _Fenced()
