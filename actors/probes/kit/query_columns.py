"""Picks a column of a query's row and decides whether its text has a type. Pure."""

from collections.abc import Sequence

from actors.probes.kit.result import TargetFailed
from actors.probes.kit.values import to_scalar, to_untyped
from app.domain.parsing.values import Scalar

SHOWN_COLUMNS, SHOWN_CHARS = 10, 200  # columns that a message names, and their characters


def column_value(row: Sequence[object] | None, names: Sequence[str], column: str, query: str) -> Scalar:
    """The value of this column, else of the first; null without a row.

    names     of the columns, as far as the server names them
    query     decides the type: the result of `SHOW` is always text, and may be a number
    raises    TargetFailed when there is no such column
    """
    index = _column_index(names, column) if column and names else 0
    value = row[index] if row else None
    return to_untyped(value) if query.lstrip()[:4].upper() == "SHOW" else to_scalar(value)


def _column_index(names: Sequence[str], column: str) -> int:
    """By the exact name, else ignoring case."""
    if column in names:
        return names.index(column)
    folded = [name.casefold() for name in names]
    if column.casefold() in folded:
        return folded.index(column.casefold())
    known = ", ".join(names[:SHOWN_COLUMNS])[:SHOWN_CHARS]
    raise TargetFailed(f"the answer has no column {column!r}, it has: {known}")
