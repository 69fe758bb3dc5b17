"""Truncates texts to a provider's limits, in the provider's unit. Pure."""

from bisect import bisect_right
from collections.abc import Callable

from app.domain.parsing.addresses import end_without_half_an_address

Cost = Callable[[str], int]

ELLIPSIS = "…"


def utf8_bytes(text: str) -> int:
    """Length in UTF-8 bytes."""
    return len(text.encode())


def utf16_units(text: str) -> int:
    """Length in UTF-16 code units, as Java and JavaScript count; never less than the length in characters."""
    return len(text.encode("utf-16-le")) // 2


def truncate(text: str, limit: int, cost: Cost = len) -> str:
    """The text, or as much of its start as fits with an ellipsis; an address that does not fit is left out whole.

    cost    length of a text once it is escaped or encoded; never less for a longer text
    """
    if cost(text) <= limit:
        return text
    remaining = limit - cost(ELLIPSIS)
    longest = bisect_right(range(len(text) + 1), remaining, key=lambda end: cost(text[:end])) - 1
    return text[: end_without_half_an_address(text, max(longest, 0))] + ELLIPSIS


def truncate_keeping_link(text: str, link: str, limit: int, cost: Cost = len) -> str:
    """Truncate, but keep a last line that ends in the link: for providers without buttons."""
    head, _, last = text.rpartition("\n")
    if cost(text) <= limit or not link or not last.endswith(link) or cost(last) >= limit:
        return truncate(text, limit, cost)
    return f"{truncate(head, limit - cost(last) - 1, cost)}\n{last}"
