"""Keeps texts within a provider's limits, however the provider counts. Pure."""

from bisect import bisect_right
from collections.abc import Callable

Cost = Callable[[str], int]

ELLIPSIS = "…"


def utf8_bytes(text: str) -> int:
    """How many bytes the text is on the wire."""
    return len(text.encode())


def utf16_units(text: str) -> int:
    """How many code units of UTF-16, which is what programs in Java and JavaScript count."""
    return len(text.encode("utf-16-le")) // 2


def truncate(text: str, limit: int, cost: Cost = len) -> str:
    """The text, or as much of its beginning as fits with an ellipsis.

    cost    what a text counts, once it is escaped or encoded; a longer one never counts less
    """
    if cost(text) <= limit:
        return text
    room = limit - cost(ELLIPSIS)
    longest = bisect_right(range(len(text) + 1), room, key=lambda end: cost(text[:end])) - 1
    return text[: max(longest, 0)] + ELLIPSIS


def truncate_keeping_link(text: str, link: str, limit: int, cost: Cost = len) -> str:
    """The same, but a last line that ends in the link stays: for providers without buttons."""
    head, _, last = text.rpartition("\n")
    if cost(text) <= limit or not link or not last.endswith(link) or cost(last) >= limit:
        return truncate(text, limit, cost)
    return f"{truncate(head, limit - cost(last) - 1, cost)}\n{last}"


def without_link(text: str, link: str) -> str:
    """The text without the lines that end in the link: for providers that show it as a button."""
    return "\n".join(line for line in text.split("\n") if not link or not line.endswith(link))
