"""Queries into JSON that somebody else wrote: JSONPath (RFC 9535) and JMESPath, bounded in steps and sizes. Pure."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

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

from app.domain import patterns
from app.domain.assertions import Scalar
from schema.targets.http import JsonLanguage

STEPS = 50_000  # nodes looked at: some tenths of a second, and more than any health page has
GROWN = 1_048_576  # characters or items that a step may put together
SHOWN = 4_096  # characters of a hit that is no scalar


class NotFound(Exception):  # noqa: N818  # a fact about the answer
    """The query has no hit in this text, or the text is none to be queried; the sentence says which."""


class _Spent(Exception):  # noqa: N818  # names the fact
    """The budget of steps is used up."""


Search = Callable[[Any], Any]


def hit(language: JsonLanguage, query: str, text: str) -> Scalar:
    """The query's first hit; what is no scalar comes as JSON. Raises NotFound, and ValueError for no query."""
    search = compiled(language, query)
    try:
        return _scalar(search(msgspec.json.decode(text)))
    except (msgspec.DecodeError, UnicodeError) as error:
        raise NotFound("the body is not JSON") from error
    except RecursionError as error:
        raise NotFound("the body is nested too deep") from error
    except _Spent as error:
        raise NotFound("the JSON query takes too long on this body") from error
    except (jsonpath.JSONPathError, jmespath.exceptions.JMESPathError) as error:
        raise NotFound(f"the JSON query does not fit the body: {str(error).splitlines()[0][:120]}") from error


@lru_cache(maxsize=1_024)
def compiled(language: JsonLanguage, query: str) -> Search:
    """A function from a decoded document to the hit. Raises ValueError when the query can't be read."""
    try:
        return _by_path(query) if language is JsonLanguage.JSONPATH else _by_expression(query)
    except (jsonpath.JSONPathError, jmespath.exceptions.JMESPathError, RecursionError) as error:
        raise ValueError(str(error).strip().splitlines()[0][:200] or type(error).__name__) from error


def _scalar(value: Any) -> Scalar:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return msgspec.json.encode(value).decode()[:SHOWN]


class _Node(jsonpath.JSONPathMatch):
    """A node that is counted, and that keeps no path: the target chooses the names in it, and their length."""

    left = 0

    def __init__(self, **parts: Any) -> None:
        self._count()
        super().__init__(**parts)

    def new_child(self, obj: object, key: int | str) -> jsonpath.JSONPathMatch:  # noqa: ARG002  # the library's signature
        """One step down."""
        return _Node(filter_context={}, obj=obj, parent=self, parts=(), path="", root=self.root)

    def filter_context(self) -> dict[str, Any]:
        """Asked for before each element that a filter weighs."""
        self._count()
        return {}

    def _count(self) -> None:
        _Node.left -= 1
        if _Node.left < 0:
            raise _Spent


class _Matching(FilterFunction):
    """RFC 9535's match() and search(), by RE2: the pattern may come from the document."""

    arg_types = [ExpressionType.VALUE, ExpressionType.VALUE]  # noqa: RUF012  # the library's way
    return_type = ExpressionType.LOGICAL

    def __init__(self, matches: Callable[[str, str], bool]) -> None:
        self._matches = matches

    def __call__(self, value: object, pattern: object) -> bool:
        try:
            return isinstance(value, str) and isinstance(pattern, str) and self._matches(pattern, value)
        except ValueError:  # RFC 9535, 2.4.6: what is no pattern matches nothing
            return False


class _Path(jsonpath.JSONPath):
    """A query whose nodes are counted, those of the queries in its filters too."""

    def finditer(self, data: Any, **_: Any) -> Iterable[jsonpath.JSONPathMatch]:
        """Every hit, as it is asked for."""
        nodes: Iterable[jsonpath.JSONPathMatch] = [
            _Node(filter_context={}, obj=data, parent=None, parts=(), path="", root=data)
        ]
        for segment in self.segments:
            nodes = segment.resolve(nodes)
        return nodes


class _Parser(Parser):
    def parse_absolute_query(self, stream: TokenStream) -> RootFilterQuery:
        """`$…` in a filter."""
        stream.next()
        return RootFilterQuery(_Path(env=self.env, segments=self.parse_query(stream)))

    def parse_relative_query(self, stream: TokenStream) -> RelativeFilterQuery:
        """`@…` in a filter."""
        stream.eat(TOKEN_SELF)
        return RelativeFilterQuery(_Path(env=self.env, segments=self.parse_query(stream)))


class _Paths(jsonpath.JSONPathEnvironment):
    parser_class = _Parser

    def setup_function_extensions(self) -> None:
        """The standard's functions, two of them ours."""
        super().setup_function_extensions()
        self.function_extensions |= {"match": _Matching(patterns.fits), "search": _Matching(patterns.found)}


_PATHS = _Paths(strict=True)


def _by_path(query: str) -> Search:
    read = _PATHS.compile(query)
    if not isinstance(read, jsonpath.JSONPath):
        raise ValueError("only one path can be asked for")  # noqa: TRY004  # it is the text that is wrong
    path = _Path(env=_PATHS, segments=read.segments)

    def search(document: Any) -> Any:
        _Node.left = STEPS  # one search at a time: none of it waits
        for node in path.finditer(document):
            return node.obj
        raise NotFound("the JSON query finds nothing")

    return search


class _Plain(Functions):
    """JMESPath's functions; `to_string` of a list could grow without end."""

    @signature({"types": []})
    def _func_to_string(self, value: Any) -> str:
        return value if isinstance(value, str) else msgspec.json.encode(_small(value)).decode()


def _small(value: Any) -> Any:
    """The value, when written out it is not too long."""
    left, waiting = STEPS, [value]
    while waiting:
        left -= 1
        if left < 0:
            raise _Spent
        one = waiting.pop()
        waiting.extend(one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
    return value


class _Counting(TreeInterpreter):
    """JMESPath's interpreter, with a budget."""

    def __init__(self) -> None:
        super().__init__(Options(custom_functions=_Plain()))
        self._left = STEPS

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        """One step."""
        self._left -= 1
        found = super().visit(node, *args, **kwargs)
        if self._left < 0 or (isinstance(found, str | list) and len(found) > GROWN):
            raise _Spent
        return found


def _by_expression(query: str) -> Search:
    tree = jmespath.parser.Parser().parse(query).parsed

    def search(document: Any) -> Any:
        found = _small(_Counting().visit(tree, document))
        if found is None:
            raise NotFound("the JSON query finds nothing")
        return found

    return search
