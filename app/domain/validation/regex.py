"""Regular expressions with RE2, which takes linear time even for malicious patterns and texts. Pure.

Linear is not cheap: in the worst case RE2 visits each instruction of the compiled pattern for each byte of the text,
at 10 to 15 ns. `search_cost` is that product. This module limits it, and the memory of compiled patterns.
"""

from functools import lru_cache
from typing import Any

import re2

MAX_MEMORY_BYTES = 1_048_576  # of one compiled pattern; larger ones are rejected
CACHED_PATTERNS = 256  # 256 MB if each uses its maximum; usual patterns take some kilobytes
MAX_COST = 400_000_000  # instructions times bytes: some seconds of one core, in a thread
EVENT_LOOP_COST = 1_000_000  # what the event loop can wait for: some 15 ms


class PatternTooLarge(ValueError):  # noqa: N818  # a fact about the pattern
    """The pattern is valid, but costs too much memory or time."""


@lru_cache(maxsize=CACHED_PATTERNS)
def compile_pattern(pattern: str) -> Any:
    """The compiled pattern, for UTF-8. Raises ValueError with RE2's message, or PatternTooLarge."""
    return _compile(pattern, MAX_MEMORY_BYTES)


def search_cost(pattern: str, n_bytes: int) -> int:
    """The maximum cost of a search in this many bytes, in instructions. Raises ValueError."""
    return int(compile_pattern(pattern).programsize) * n_bytes


def max_bytes(pattern: str) -> int:
    """The longest text that the pattern may be matched against. Raises ValueError."""
    return MAX_COST // int(compile_pattern(pattern).programsize)


def contains_match(pattern: str, text: bytes) -> bool:
    """Whether the pattern matches a part of the UTF-8 text. Raises ValueError, PatternTooLarge."""
    if search_cost(pattern, len(text)) > MAX_COST:
        raise PatternTooLarge(f"it is too large for a text of {len(text):,} bytes, the most is {max_bytes(pattern):,}")
    return compile_pattern(pattern).search(text) is not None


def encode_text(text: str) -> bytes:
    """The text in the encoding that patterns match against."""
    return text.encode(errors="surrogatepass")  # JSON may contain lone surrogates


class UntrustedPattern:
    """A pattern from an untrusted document: its limits are lower, since a document may have thousands of them.

    raises  ValueError, PatternTooLarge
    """

    MAX_MEMORY_BYTES = 131_072
    CACHED_PATTERNS = 128

    def __init__(self, pattern: str) -> None:
        self._compiled = _compile_untrusted(pattern)

    def cost(self, text: bytes) -> int:
        """The maximum cost of matching this text, in instructions."""
        return int(self._compiled.programsize) * len(text)

    def search(self, text: bytes) -> bool:
        """Whether the pattern matches a part of the text."""
        return self._compiled.search(text) is not None

    def fullmatch(self, text: bytes) -> bool:
        """Whether the pattern matches the whole text."""
        return self._compiled.fullmatch(text) is not None


@lru_cache(maxsize=UntrustedPattern.CACHED_PATTERNS)
def _compile_untrusted(pattern: str) -> Any:
    return _compile(pattern, UntrustedPattern.MAX_MEMORY_BYTES)


def _compile(pattern: str, memory_bytes: int) -> Any:
    options = re2.Options()
    options.max_mem, options.log_errors = memory_bytes, False
    options.never_capture = True  # groups would cost a second, slower pass over each match
    try:
        return re2.compile(pattern.encode(), options)
    except UnicodeEncodeError as error:  # a lone surrogate
        raise ValueError("it is not text") from error
    except re2.error as error:
        argument = error.args[0] if error.args else ""
        message = argument.decode(errors="replace") if isinstance(argument, bytes) else str(argument)
        raise (PatternTooLarge if "too large" in message else ValueError)(message) from error
