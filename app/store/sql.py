"""Parts of statements: a list as one JSON parameter, and locks."""

from collections.abc import Iterable
from typing import Any

import msgspec
from piccolo.query import Select

from app import db

_json = msgspec.json.Encoder()


def list_parameter(values: Iterable[str | int]) -> str:
    """Values as a JSON array of one-field rows, which `{each:n}` expands."""
    return _json.encode([[value] for value in values]).decode()


def with_lock(query: Select[Any]) -> Select[Any]:
    """The query with its rows locked until the transaction ends. SQLite needs no lock: it has one writer."""
    return query if db.is_sqlite() else query.lock_rows()
