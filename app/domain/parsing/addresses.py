"""Finds the web addresses in a text: senders change the words around them, and send them byte by byte. Pure."""

import re
from typing import NamedTuple

# RFC 3986 (and RFC 3987 for letters of other scripts): scheme, user, host, port; then any character of an address
_ADDRESS = re.compile(
    r"(?<![A-Za-z0-9])https?://"
    r"(?:[\w\-.~!$&'()*+,;=:%]+@)?"
    r"(?:\w[\w\-.]*|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?"
    r"(?:[/?#][\w\-.~:/?#\[\]@!$&'()*+,;=%]*)?",
    re.IGNORECASE,
)
REACH = 2_000  # characters behind a cut that are searched for the end of an address
_SENTENCE_MARKS = ".,:;!?'"  # at the end of an address they belong to the sentence around it
_BRACKETS = {")": "(", "]": "["}


class TextPart(NamedTuple):
    """A part of a text: words, or one address."""

    text: str
    is_address: bool


def split_addresses(text: str) -> list[TextPart]:
    """The text as words and addresses, in order; together they are the text, and none is empty."""
    parts, end = list[TextPart](), 0
    for found in _ADDRESS.finditer(text):
        address = _trim(found.group())
        parts += [TextPart(text[end : found.start()], is_address=False)] if found.start() > end else []
        parts.append(TextPart(address, is_address=True))
        end = found.start() + len(address)
    return [*parts, TextPart(text[end:], is_address=False)] if end < len(text) else parts


def has_address(text: str) -> bool:
    """Whether there is an address in the text."""
    return _ADDRESS.search(text) is not None


def end_without_half_an_address(text: str, end: int) -> int:
    """Where to cut a text that has to end at `end` or before: in front of an address that would be cut or touched.

    Half an address leads elsewhere, and the ellipsis behind a whole one would become part of it.
    """
    found = _ADDRESS.finditer(text, 0, end + REACH)
    return next((one.start() for one in found if one.start() < end <= one.end()), end)


def _trim(address: str) -> str:
    """The address without the marks of the sentence that it stands in."""
    while (last := address[-1]) in _SENTENCE_MARKS or (
        last in _BRACKETS and address.count(last) > address.count(_BRACKETS[last])
    ):
        address = address[:-1]
    return address
