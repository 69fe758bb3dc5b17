"""Parts of statements: a list as one JSON parameter, LIKE patterns, and locks."""

from collections.abc import Iterable
from typing import Any

import msgspec
from piccolo.query import Select
from piccolo.querystring import QueryString, Selectable

from app import db

_json = msgspec.json.Encoder()


def list_parameter(values: Iterable[str | int]) -> str:
    """Values as a JSON array of one-field rows, which `{each:n}` expands."""
    return _json.encode([[value] for value in values]).decode()


def contains_pattern(text: str | None) -> str | None:
    """A pattern for `LIKE … ESCAPE '!'` with special characters escaped; None stays None."""
    return None if text is None else "%" + text.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"


def contains(column: Selectable, pattern: str) -> QueryString:
    """The condition that a column matches a `contains_pattern`."""
    return QueryString("{} LIKE {} ESCAPE '!'", column, pattern)


def with_lock(query: Select[Any]) -> Select[Any]:
    """The query with its rows locked until the transaction ends. SQLite needs no lock: it has one writer."""
    return query if db.is_sqlite() else query.lock_rows()
