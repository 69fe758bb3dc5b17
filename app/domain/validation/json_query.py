"""Queries untrusted JSON with JSONPath (RFC 9535) or JMESPath, bounded in steps and sizes. Pure."""

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

MAX_STEPS = 50_000  # nodes visited: some tenths of a second, in a thread, and more than any health page has
EVENT_LOOP_STEPS = 1_500  # what the event loop can wait for: some 10 ms
EVENT_LOOP_CHARS = 32_768  # of a text that is parsed on the event loop
MAX_BUILT_SIZE = 1_048_576  # characters or items of one intermediate result
MAX_SHOWN_CHARS = 4_096  # of a match that is not a scalar
# How much work costs as much as one step:
PATTERN_CHARS_PER_STEP = 8  # of a pattern to compile
COMPARED_CHARS_PER_STEP = 8_192  # of texts to compare
INSTRUCTIONS_PER_STEP = 500  # of a compiled pattern
ITEMS_PER_STEP = 2  # in arguments of functions
TOO_LARGE_STEPS = 1_000  # detecting that a pattern is too large takes some milliseconds


class NoMatch(Exception):  # noqa: N818  # a fact about the answer
    """The query matches nothing in this text, or the text can't be queried; the message says which."""


class BudgetExceeded(NoMatch):
    """The budget of steps is used up."""


class _StepBudget(threading.local):
    """Steps left for the one search that runs in this thread; a search never waits."""

    left = 0

    def charge(self, steps: int = 1) -> None:
        """Use some steps. Raises BudgetExceeded when too few are left."""
        self.left -= steps
        if self.left < 0:
            raise BudgetExceeded("the JSON query takes too long on this body")

    def charge_for(self, value: object) -> None:
        """Use one step per part of a value; parts that occur several times count each time."""
        pending = [value]
        while pending:
            self.charge()
            part = pending.pop()
            pending.extend(part.values() if isinstance(part, dict) else part if isinstance(part, list) else ())


_BUDGET = _StepBudget()
Search = Callable[[Any], Any]


def find_first(language: JsonLanguage, query: str, text: str | bytes, steps: int = MAX_STEPS) -> Scalar:
    """The first match, as JSON if it is not a scalar. Raises NoMatch, BudgetExceeded, ValueError for a bad query."""
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
    """A function that returns the match in a decoded document. Raises ValueError for an invalid query."""
    try:
        return _compile_jsonpath(query) if language is JsonLanguage.JSONPATH else _compile_jmespath(query)
    except (jsonpath.JSONPathError, jmespath.exceptions.JMESPathError, RecursionError) as error:
        raise ValueError(str(error).strip().splitlines()[0][:200] or type(error).__name__) from error


def _scalar(value: Any) -> Scalar:
    if value is None or isinstance(value, str | int | bool):
        return value
    return exact_number(value) if isinstance(value, float) else _to_json(value)[:MAX_SHOWN_CHARS]


def _to_json(value: Any) -> str:
    """The value as JSON, with all digits of its numbers."""
    return msgspec.json.encode(value, enc_hook=_encode_precise).decode()


def _encode_precise(number: Any) -> msgspec.Raw:
    """The digits of a number that a float can't hold."""
    assert isinstance(number, PreciseFloat)
    return msgspec.Raw(number.text.encode())


class _CountedNode(jsonpath.JSONPathMatch):
    """A node that costs a step and stores no path, since the target chooses the length of names in it."""

    def __init__(self, **parts: Any) -> None:
        _BUDGET.charge()
        super().__init__(**parts)

    def new_child(self, obj: object, key: int | str) -> jsonpath.JSONPathMatch:  # noqa: ARG002  # the library's signature
        """One step down."""
        return _CountedNode(filter_context={}, obj=obj, parent=self, parts=(), path="", root=self.root)

    def filter_context(self) -> dict[str, Any]:
        """Called before each element that a filter tests."""
        _BUDGET.charge()
        return {}


class _RegexFunction(FilterFunction):
    """RFC 9535's match() and search() with RE2: the pattern may come from the document."""

    arg_types = [ExpressionType.VALUE, ExpressionType.VALUE]  # noqa: RUF012  # the library's attribute
    return_type = ExpressionType.LOGICAL

    def __init__(self, matches: Callable[[regex.UntrustedPattern, bytes], bool]) -> None:
        self._matches = matches

    def __call__(self, value: object, pattern: object) -> bool:
        if not isinstance(value, str) or not isinstance(pattern, str):
            return False
        _BUDGET.charge(1 + len(pattern) // PATTERN_CHARS_PER_STEP)
        try:
            compiled, text = regex.UntrustedPattern(pattern), regex.encode_text(value)
        except regex.PatternTooLarge:
            _BUDGET.charge(TOO_LARGE_STEPS)
            return False
        except ValueError:  # RFC 9535, 2.4.6: an invalid pattern matches nothing
            return False
        _BUDGET.charge(compiled.cost(text) // INSTRUCTIONS_PER_STEP)
        return self._matches(compiled, text)


class _CountedPath(jsonpath.JSONPath):
    """A query whose nodes cost steps, including those of queries in its filters."""

    def finditer(self, data: Any, **_: Any) -> Iterable[jsonpath.JSONPathMatch]:
        """Yields every match lazily."""
        nodes: Iterable[jsonpath.JSONPathMatch] = [
            _CountedNode(filter_context={}, obj=data, parent=None, parts=(), path="", root=data)
        ]
        for segment in self.segments:
            nodes = segment.resolve(nodes)
        return nodes


class _CountedParser(Parser):
    def parse_absolute_query(self, stream: TokenStream) -> RootFilterQuery:
        """Parses `$…` in a filter."""
        stream.next()
        return RootFilterQuery(_CountedPath(env=self.env, segments=self.parse_query(stream)))

    def parse_relative_query(self, stream: TokenStream) -> RelativeFilterQuery:
        """Parses `@…` in a filter."""
        stream.eat(TOKEN_SELF)
        return RelativeFilterQuery(_CountedPath(env=self.env, segments=self.parse_query(stream)))


class _CountedEnvironment(jsonpath.JSONPathEnvironment):
    parser_class = _CountedParser

    def setup_function_extensions(self) -> None:
        """Registers the functions of the standard, with our own match() and search()."""
        super().setup_function_extensions()
        matching = {"match": regex.UntrustedPattern.fullmatch, "search": regex.UntrustedPattern.search}
        self.function_extensions |= {name: _RegexFunction(matches) for name, matches in matching.items()}

    def compare(self, left: object, operator: str, right: object) -> bool:
        """Charges by size before comparing: both values may be the whole document, for each of its elements."""
        for side in (left, right):
            _charge_for_comparison(side)
        return super().compare(left, operator, right)


def _charge_for_comparison(side: object) -> None:
    if isinstance(side, str):
        _BUDGET.charge(len(side) // COMPARED_CHARS_PER_STEP)
    elif isinstance(side, dict | list):
        for value in (node.obj for node in side) if isinstance(side, jsonpath.NodeList) else (side,):
            _BUDGET.charge_for(value)


_ENVIRONMENT = _CountedEnvironment(strict=True)


def _compile_jsonpath(query: str) -> Search:
    parsed = _ENVIRONMENT.compile(query)
    if not isinstance(parsed, jsonpath.JSONPath):
        raise ValueError("only one path is allowed")  # noqa: TRY004  # the text is invalid, not its type
    path = _CountedPath(env=_ENVIRONMENT, segments=parsed.segments)

    def search(document: Any) -> Any:
        for node in path.finditer(document):
            return node.obj
        raise NoMatch("the JSON query finds nothing")

    return search


class _BoundedFunctions(Functions):
    """JMESPath's functions, charged by their arguments: `to_string` of a list could grow without end."""

    def call_function(self, function_name: str, resolved_args: list[Any]) -> Any:  # type: ignore[override]  # the library types nothing
        """Charges for the arguments, then calls the function."""
        for argument in resolved_args:
            if function_name == "contains":  # it compares with each item
                _BUDGET.charge_for(argument)
            elif isinstance(argument, str):
                _BUDGET.charge(len(argument) // COMPARED_CHARS_PER_STEP)
            elif isinstance(argument, list | dict):
                _BUDGET.charge(len(argument) // ITEMS_PER_STEP)
        return super().call_function(function_name, resolved_args)

    @signature({"types": []})
    def _func_to_string(self, value: Any) -> str:
        return value if isinstance(value, str) else _to_json(_charged(value))


def _charged(value: Any) -> Any:
    """The value itself, after charging for all of its parts."""
    _BUDGET.charge_for(value)
    return value


def _compare_charged(compare: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    for side in (left, right):
        _charge_for_comparison(side)
    return compare(left, right)


class _BoundedInterpreter(TreeInterpreter):
    """JMESPath's interpreter, which charges each step."""

    COMPARATOR_FUNC: ClassVar[dict[str, Callable[[Any, Any], Any]]] = {
        name: partial(_compare_charged, compare) for name, compare in TreeInterpreter.COMPARATOR_FUNC.items()
    }

    def __init__(self) -> None:
        super().__init__(Options(custom_functions=_BoundedFunctions()))

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        """Evaluates one node of the query."""
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
