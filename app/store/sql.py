"""Parameters of SQL statements: a list as one JSON parameter, and LIKE patterns."""

from collections.abc import Iterable

import msgspec

_json = msgspec.json.Encoder()


def list_parameter(values: Iterable[str | int]) -> str:
    """Values as a JSON array of one-field rows, which `{each:n}` expands."""
    return _json.encode([[value] for value in values]).decode()


def contains_pattern(text: str | None) -> str | None:
    """A pattern for `LIKE … ESCAPE '!'` with special characters escaped; None stays None."""
    return None if text is None else "%" + text.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"
