"""Regular expressions by RE2: linear in the text, whatever pattern or text was meant to take for ever. Pure.

Linear is not cheap: in the worst case RE2 looks at each instruction of the compiled pattern for each byte of the text,
at 10 to 15 ns. `cost` is that product. It is bounded here, and so is the memory of what is compiled.
"""

from functools import lru_cache
from typing import Any

import re2

MAX_MEMORY_BYTES = 1_048_576  # of one compiled pattern; what needs more is refused
CACHED_PATTERNS = 256  # patterns: 256 MB when each of them wants all it may have, some kilobytes as people write them
MAX_COST = 400_000_000  # instructions times bytes: some seconds of one core, away from the event loop
EVENT_LOOP_COST = 1_000_000  # what the event loop can wait for: some 15 ms


class PatternTooLarge(ValueError):  # noqa: N818  # a fact about the pattern
    """The pattern is one, and costs more than we pay for it."""


@lru_cache(maxsize=CACHED_PATTERNS)
def compile_pattern(pattern: str) -> Any:
    """The pattern, over UTF-8. Raises ValueError with RE2's words when it is none, TooLarge."""
    return _compile(pattern, MAX_MEMORY_BYTES)


def search_cost(pattern: str, n_bytes: int) -> int:
    """The most that a search in so many bytes takes, in instructions. Raises ValueError."""
    return int(compile_pattern(pattern).programsize) * n_bytes


def max_bytes(pattern: str) -> int:
    """The longest text that the pattern may be held against. Raises ValueError."""
    return MAX_COST // int(compile_pattern(pattern).programsize)


def contains_match(pattern: str, text: bytes) -> bool:
    """Whether the text, in UTF-8, has a part that fits. Raises ValueError, TooLarge."""
    if search_cost(pattern, len(text)) > MAX_COST:
        raise PatternTooLarge(f"it is too large for a text of {len(text):,} bytes, the most is {max_bytes(pattern):,}")
    return compile_pattern(pattern).search(text) is not None


def encode_text(text: str) -> bytes:
    """A text as patterns read it."""
    return text.encode(errors="surrogatepass")  # JSON knows halves of characters


class UntrustedPattern:
    """A pattern out of somebody else's document: smaller, for there may be thousands of them. Raises as `compiled`."""

    MAX_MEMORY_BYTES = 131_072
    CACHED_PATTERNS = 128

    def __init__(self, pattern: str) -> None:
        self._compiled = _compile_untrusted(pattern)

    def cost(self, text: bytes) -> int:
        """The most that this text takes, in instructions."""
        return int(self._compiled.programsize) * len(text)

    def search(self, text: bytes) -> bool:
        """Whether the text has a part that fits."""
        return self._compiled.search(text) is not None

    def fullmatch(self, text: bytes) -> bool:
        """Whether the whole text fits."""
        return self._compiled.fullmatch(text) is not None


@lru_cache(maxsize=UntrustedPattern.CACHED_PATTERNS)
def _compile_untrusted(pattern: str) -> Any:
    return _compile(pattern, UntrustedPattern.MAX_MEMORY_BYTES)


def _compile(pattern: str, memory_bytes: int) -> Any:
    options = re2.Options()
    options.max_mem, options.log_errors = memory_bytes, False
    options.never_capture = True  # only whether: groups would cost a second, slower pass over what fits
    try:
        return re2.compile(pattern.encode(), options)
    except UnicodeEncodeError as error:  # half a character
        raise ValueError("it is no text") from error
    except re2.error as error:
        words = _error_text(error)
        raise (PatternTooLarge if "too large" in words else ValueError)(words) from error


def _error_text(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)
