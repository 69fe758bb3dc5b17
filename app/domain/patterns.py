"""Regular expressions by RE2: linear in the text, whatever pattern or text was meant to take for ever. Pure."""

from functools import lru_cache
from typing import Any

import re2

MEMORY_BYTES = 2_097_152  # of one compiled pattern; what needs more is refused


@lru_cache(maxsize=1_024)
def compiled(pattern: str) -> Any:
    """The pattern, over UTF-8. Raises ValueError with RE2's words when it is none."""
    options = re2.Options()
    options.max_mem, options.log_errors = MEMORY_BYTES, False
    try:
        return re2.compile(pattern.encode(), options)
    except re2.error as error:
        raise ValueError(_words(error)) from error


def found(pattern: str, text: str) -> bool:
    """Whether the text has a part that fits. Raises ValueError."""
    return compiled(pattern).search(_bytes(text)) is not None


def fits(pattern: str, text: str) -> bool:
    """Whether the whole text fits. Raises ValueError."""
    return compiled(pattern).fullmatch(_bytes(text)) is not None


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")  # JSON knows halves of characters


def _words(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)
