"""Queries into JSON that somebody else wrote: JSONPath (RFC 9535) and JMESPath, bounded in steps and sizes. Pure."""

import threading
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Any, ClassVar

import jmespath.exceptions
import jmespath.parser
import jsonpath
import msgspec
from jmespath.functions import Functions, signature
from jmespath.visitor import Options, TreeInterpreter
from jsonpath.filter import RelativeFilterQuery, RootFilterQuery
from jsonpath.function_extensions import ExpressionType, FilterFunction
from jsonpath.parse import Parser
from jsonpath.stream import TokenStream
from jsonpath.token import TOKEN_SELF

from app.domain.parsing import untrusted_json
from app.domain.parsing.values import PreciseFloat, Scalar, exact_number
from app.domain.validation import regex
from schema.targets.http import JsonLanguage

MAX_STEPS = 50_000  # nodes looked at: some tenths of a second, in a thread, and more than any health page has
EVENT_LOOP_STEPS = 1_500  # what the event loop can wait for: some 10 ms
EVENT_LOOP_CHARS = 32_768  # of a text that is read on the event loop
MAX_BUILT_SIZE = 1_048_576  # characters or items that a step may put together
MAX_SHOWN_CHARS = 4_096  # characters of a hit that is no scalar
# What costs as much as a step: characters of a pattern to compile, of texts to compare; instructions of a pattern;
# items that a function is given. Finding out that a pattern is too large takes some milliseconds.
PATTERN_CHARS_PER_STEP, COMPARED_CHARS_PER_STEP, INSTRUCTIONS_PER_STEP, ITEMS_PER_STEP, TOO_LARGE_STEPS = (
    8,
    8_192,
    500,
    2,
    1_000,
)


class NoMatch(Exception):  # noqa: N818  # a fact about the answer
    """The query has no hit in this text, or the text is none to be queried; the sentence says which."""


class BudgetExceeded(NoMatch):
    """The budget of steps is used up."""


class _StepBudget(threading.local):
    """Steps that are left to the one search that runs in this thread: none of it waits."""

    left = 0

    def charge(self, steps: int = 1) -> None:
        """Take so many; raises Spent when there are not so many."""
        self.left -= steps
        if self.left < 0:
            raise BudgetExceeded("the JSON query takes too long on this body")

    def charge_for(self, value: object) -> None:
        """Take what it costs to look through all of a value, once more for each time that it holds the same."""
        waiting = [value]
        while waiting:
            self.charge()
            one = waiting.pop()
            waiting.extend(one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())


_BUDGET = _StepBudget()
Search = Callable[[Any], Any]


def find_first(language: JsonLanguage, query: str, text: str | bytes, steps: int = MAX_STEPS) -> Scalar:
    """The query's first hit; what is no scalar comes as JSON. Raises NotFound, Spent, and ValueError for no query."""
    search = compile_query(language, query)
    document = _decode_document(text)
    _BUDGET.left = steps
    try:
        return _scalar(search(document))
    except RecursionError as error:
        raise NoMatch("the body is nested too deep") from error
    except (jsonpath.JSONPathError, jmespath.exceptions.JMESPathError) as error:
        raise NoMatch(f"the JSON query does not fit the body: {str(error).splitlines()[0][:120]}") from error


def _decode_document(text: str | bytes) -> Any:
    try:
        return untrusted_json.decode_exact(text)
    except RecursionError as error:
        raise NoMatch("the body is nested too deep") from error
    except ValueError as error:
        raise NoMatch("the body is not JSON") from error


@lru_cache(maxsize=1_024)
def compile_query(language: JsonLanguage, query: str) -> Search:
    """A function from a decoded document to the hit. Raises ValueError when the query can't be read."""
    try:
        return _compile_jsonpath(query) if language is JsonLanguage.JSONPATH else _compile_jmespath(query)
    except (jsonpath.JSONPathError, jmespath.exceptions.JMESPathError, RecursionError) as error:
        raise ValueError(str(error).strip().splitlines()[0][:200] or type(error).__name__) from error


def _scalar(value: Any) -> Scalar:
    if value is None or isinstance(value, str | int | bool):
        return value
    return exact_number(value) if isinstance(value, float) else _to_json(value)[:MAX_SHOWN_CHARS]


def _to_json(value: Any) -> str:
    """As JSON, its numbers with all their digits."""
    return msgspec.json.encode(value, enc_hook=_encode_precise).decode()


def _encode_precise(number: Any) -> msgspec.Raw:
    """A number that the encoder does not know."""
    assert isinstance(number, PreciseFloat)
    return msgspec.Raw(number.text.encode())


class _CountedNode(jsonpath.JSONPathMatch):
    """A node that is counted, and that keeps no path: the target chooses the names in it, and their length."""

    def __init__(self, **parts: Any) -> None:
        _BUDGET.charge()
        super().__init__(**parts)

    def new_child(self, obj: object, key: int | str) -> jsonpath.JSONPathMatch:  # noqa: ARG002  # the library's signature
        """One step down."""
        return _CountedNode(filter_context={}, obj=obj, parent=self, parts=(), path="", root=self.root)

    def filter_context(self) -> dict[str, Any]:
        """Asked for before each element that a filter weighs."""
        _BUDGET.charge()
        return {}


class _RegexFunction(FilterFunction):
    """RFC 9535's match() and search(), by RE2: the pattern may come from the document."""

    arg_types = [ExpressionType.VALUE, ExpressionType.VALUE]  # noqa: RUF012  # the library's way
    return_type = ExpressionType.LOGICAL

    def __init__(self, matches: Callable[[regex.UntrustedPattern, bytes], bool]) -> None:
        self._matches = matches

    def __call__(self, value: object, pattern: object) -> bool:
        if not isinstance(value, str) or not isinstance(pattern, str):
            return False
        _BUDGET.charge(1 + len(pattern) // PATTERN_CHARS_PER_STEP)
        try:
            read, text = regex.UntrustedPattern(pattern), regex.encode_text(value)
        except regex.PatternTooLarge:
            _BUDGET.charge(TOO_LARGE_STEPS)
            return False
        except ValueError:  # RFC 9535, 2.4.6: what is no pattern matches nothing
            return False
        _BUDGET.charge(read.cost(text) // INSTRUCTIONS_PER_STEP)
        return self._matches(read, text)


class _CountedPath(jsonpath.JSONPath):
    """A query whose nodes are counted, those of the queries in its filters too."""

    def finditer(self, data: Any, **_: Any) -> Iterable[jsonpath.JSONPathMatch]:
        """Every hit, as it is asked for."""
        nodes: Iterable[jsonpath.JSONPathMatch] = [
            _CountedNode(filter_context={}, obj=data, parent=None, parts=(), path="", root=data)
        ]
        for segment in self.segments:
            nodes = segment.resolve(nodes)
        return nodes


class _CountedParser(Parser):
    def parse_absolute_query(self, stream: TokenStream) -> RootFilterQuery:
        """`$…` in a filter."""
        stream.next()
        return RootFilterQuery(_CountedPath(env=self.env, segments=self.parse_query(stream)))

    def parse_relative_query(self, stream: TokenStream) -> RelativeFilterQuery:
        """`@…` in a filter."""
        stream.eat(TOKEN_SELF)
        return RelativeFilterQuery(_CountedPath(env=self.env, segments=self.parse_query(stream)))


class _CountedEnvironment(jsonpath.JSONPathEnvironment):
    parser_class = _CountedParser

    def setup_function_extensions(self) -> None:
        """The standard's functions, two of them ours."""
        super().setup_function_extensions()
        matching = {"match": regex.UntrustedPattern.fullmatch, "search": regex.UntrustedPattern.search}
        self.function_extensions |= {name: _RegexFunction(matches) for name, matches in matching.items()}

    def compare(self, left: object, operator: str, right: object) -> bool:
        """Two values, paid for by their size: both may be the whole document, for each of its elements."""
        for side in (left, right):
            _charge_for_comparison(side)
        return super().compare(left, operator, right)


def _charge_for_comparison(side: object) -> None:
    if isinstance(side, str):
        _BUDGET.charge(len(side) // COMPARED_CHARS_PER_STEP)
    elif isinstance(side, dict | list):
        for value in (one.obj for one in side) if isinstance(side, jsonpath.NodeList) else (side,):
            _BUDGET.charge_for(value)


_ENVIRONMENT = _CountedEnvironment(strict=True)


def _compile_jsonpath(query: str) -> Search:
    read = _ENVIRONMENT.compile(query)
    if not isinstance(read, jsonpath.JSONPath):
        raise ValueError("only one path can be asked for")  # noqa: TRY004  # it is the text that is wrong
    path = _CountedPath(env=_ENVIRONMENT, segments=read.segments)

    def search(document: Any) -> Any:
        for node in path.finditer(document):
            return node.obj
        raise NoMatch("the JSON query finds nothing")

    return search


class _BoundedFunctions(Functions):
    """JMESPath's functions, paid for by what they are given; `to_string` of a list could grow without end."""

    def call_function(self, function_name: str, resolved_args: list[Any]) -> Any:  # type: ignore[override]  # the library types nothing
        """One of them."""
        for one in resolved_args:
            if function_name == "contains":  # it compares with each
                _BUDGET.charge_for(one)
            elif isinstance(one, str | list | dict):
                _BUDGET.charge(len(one) // (COMPARED_CHARS_PER_STEP if isinstance(one, str) else ITEMS_PER_STEP))
        return super().call_function(function_name, resolved_args)

    @signature({"types": []})
    def _func_to_string(self, value: Any) -> str:
        return value if isinstance(value, str) else _to_json(_charged(value))


def _charged(value: Any) -> Any:
    """The value, when written out it is not too long."""
    _BUDGET.charge_for(value)
    return value


def _compare_charged(compare: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    for side in (left, right):
        _charge_for_comparison(side)
    return compare(left, right)


class _BoundedInterpreter(TreeInterpreter):
    """JMESPath's interpreter, with a budget."""

    COMPARATOR_FUNC: ClassVar[dict[str, Callable[[Any, Any], Any]]] = {
        name: partial(_compare_charged, compare) for name, compare in TreeInterpreter.COMPARATOR_FUNC.items()
    }

    def __init__(self) -> None:
        super().__init__(Options(custom_functions=_BoundedFunctions()))

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        """One step."""
        _BUDGET.charge()
        found = super().visit(node, *args, **kwargs)
        if isinstance(found, str | list) and len(found) > MAX_BUILT_SIZE:
            raise BudgetExceeded("the JSON query takes too long on this body")
        return found


def _compile_jmespath(query: str) -> Search:
    tree = jmespath.parser.Parser().parse(query).parsed

    def search(document: Any) -> Any:
        found = _charged(_BoundedInterpreter().visit(tree, document))
        if found is None:
            raise NoMatch("the JSON query finds nothing")
        return found

    return search
