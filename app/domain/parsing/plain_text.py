"""Text without invisible and reordering characters, on one line or several, truncated; and case folding. Pure."""

import re
from unicodedata import normalize

from app.domain.parsing.addresses import end_without_half_an_address

# control characters, marks that reverse text, lone surrogates
_INVISIBLE_CHARS = "\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_BLANK_OR_INVISIBLE = re.compile(rf"[\s{_INVISIBLE_CHARS}]+")
_INVISIBLE = re.compile(rf"[{_INVISIBLE_CHARS}]+")


def one_line(text: str, limit: int) -> str:
    """The text without line breaks, control and reordering characters; truncated at `limit` characters."""
    return truncate(_BLANK_OR_INVISIBLE.sub(" ", text).strip(), limit)


def multi_line(text: str, limit: int) -> str:
    """The text with its line breaks and tabs, without other invisible characters; truncated at `limit` characters."""
    return truncate(strip_invisible(text).strip(), limit)


def strip_invisible(text: str) -> str:
    """The text with its line breaks, tabs and spaces, without other invisible characters."""
    return _INVISIBLE.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n"))


def truncate(text: str, limit: int) -> str:
    """The text, or as much of it as fits with an ellipsis; an address that does not fit is left out whole."""
    return text if len(text) <= limit else text[: end_without_half_an_address(text, limit - 1)] + "…"


def fold_case(text: str) -> str:
    """The text by which texts are compared ignoring case: `Straße` and `STRASSE` have the same.

    This is canonical caseless matching (Unicode, 3.13, D145), and the Turkish i without a dot and I with one are an i,
    since a Turkish name is also searched by people who do not have these keys.
    """
    if text.isascii():
        return text.lower()
    folded = normalize("NFD", text).casefold().replace("i\u0307", "i").replace("\u0131", "i")
    return normalize("NFC", folded)
