"""Values on their way into a statement: lists as one argument, and a text that a column has to contain."""

from collections.abc import Iterable

import msgspec

_json = msgspec.json.Encoder()


def list_parameter(values: Iterable[str | int]) -> str:
    """Values as the JSON array of one-field rows that `{each:n}` unfolds."""
    return _json.encode([[value] for value in values]).decode()


def contains_pattern(text: str | None) -> str | None:
    """A pattern for `LIKE … ESCAPE '!'`, with the pattern's own signs made harmless; None stays None."""
    return None if text is None else "%" + text.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"
