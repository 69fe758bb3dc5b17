"""Regular expressions by RE2: linear in the text, whatever pattern or text was meant to take for ever. Pure.

Linear is not cheap: in the worst case RE2 looks at each instruction of the compiled pattern for each byte of the text,
at 10 to 15 ns. `cost` is that product. It is bounded here, and so is the memory of what is compiled.
"""

from functools import lru_cache
from typing import Any

import re2

MEMORY_BYTES = 1_048_576  # of one compiled pattern; what needs more is refused
KEPT = 256  # patterns: 256 MB when each of them wants all it may have, some kilobytes as people write them
COST_LIMIT = 400_000_000  # instructions times bytes: some seconds of one core, away from the event loop
PROMPT_COST = 1_000_000  # what the event loop can wait for: some 15 ms


class TooLarge(ValueError):  # noqa: N818  # a fact about the pattern
    """The pattern is one, and costs more than we pay for it."""


@lru_cache(maxsize=KEPT)
def compiled(pattern: str) -> Any:
    """The pattern, over UTF-8. Raises ValueError with RE2's words when it is none, TooLarge."""
    return _compiled(pattern, MEMORY_BYTES)


def cost(pattern: str, n_bytes: int) -> int:
    """The most that a search in so many bytes takes, in instructions. Raises ValueError."""
    return int(compiled(pattern).programsize) * n_bytes


def most_bytes(pattern: str) -> int:
    """The longest text that the pattern may be held against. Raises ValueError."""
    return COST_LIMIT // int(compiled(pattern).programsize)


def found(pattern: str, text: bytes) -> bool:
    """Whether the text, in UTF-8, has a part that fits. Raises ValueError, TooLarge."""
    if cost(pattern, len(text)) > COST_LIMIT:
        raise TooLarge(f"it is too large for a text of {len(text):,} bytes, the most is {most_bytes(pattern):,}")
    return compiled(pattern).search(text) is not None


def in_utf8(text: str) -> bytes:
    """A text as patterns read it."""
    return text.encode(errors="surrogatepass")  # JSON knows halves of characters


class Foreign:
    """A pattern out of somebody else's document: smaller, for there may be thousands of them. Raises as `compiled`."""

    MEMORY_BYTES = 131_072
    KEPT = 128

    def __init__(self, pattern: str) -> None:
        self._compiled = _foreign(pattern)

    def cost(self, text: bytes) -> int:
        """The most that this text takes, in instructions."""
        return int(self._compiled.programsize) * len(text)

    def finds(self, text: bytes) -> bool:
        """Whether the text has a part that fits."""
        return self._compiled.search(text) is not None

    def fits(self, text: bytes) -> bool:
        """Whether the whole text fits."""
        return self._compiled.fullmatch(text) is not None


@lru_cache(maxsize=Foreign.KEPT)
def _foreign(pattern: str) -> Any:
    return _compiled(pattern, Foreign.MEMORY_BYTES)


def _compiled(pattern: str, memory_bytes: int) -> Any:
    options = re2.Options()
    options.max_mem, options.log_errors = memory_bytes, False
    options.never_capture = True  # only whether: groups would cost a second, slower pass over what fits
    try:
        return re2.compile(pattern.encode(), options)
    except UnicodeEncodeError as error:  # half a character
        raise ValueError("it is no text") from error
    except re2.error as error:
        words = _words(error)
        raise (TooLarge if "too large" in words else ValueError)(words) from error


def _words(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)
