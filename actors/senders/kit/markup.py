"""The markups of providers: what makes words show as they were written, while addresses stay byte by byte. Pure.

A sender names its provider's markup and calls `render`: only there is a text split into words and addresses.
"""

import re
from collections.abc import Callable
from html import escape
from typing import NamedTuple

from app.domain.parsing.addresses import split_addresses

ZERO_WIDTH_SPACE = "\u200b"  # parts what would be a mention or a tag, and is not seen
_LOOKALIKES = {"*": "∗", "_": "＿", "~": "∼", "`": "ˋ"}  # noqa: RUF001  # for markups without escapes
_EMPHASIS = re.compile(r"[*~`]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")  # within a word, a _ is a _
_MENTION = re.compile(r"(?<!\w)@(?=\w)")
_LIST_MARKS = re.compile(r"^([ \t]*)(?:([-+])|(\d+)(?=[.)]))", re.MULTILINE)
ENTITY_START = re.compile(r"&(?=#?[0-9A-Za-z]{1,32};)")  # of `&amp;` and the like
_COMMON_MARK = re.compile(rf"[\\*_~`#|<>\[\]]|{ENTITY_START.pattern}|^=", re.MULTILINE)
_INDENTS = re.compile(r"(?<=\n)[ \t]+")
_NO_BREAK_SPACE = "\u00a0"


class Markup(NamedTuple):
    """A provider's markup.

    words      makes words show as they were written
    address    makes an address a link that shows itself; as it is, where the provider finds links by itself
    """

    words: Callable[[str], str] = str
    address: Callable[[str], str] = str

    def render(self, text: str) -> str:
        """A text in this markup."""
        parts = split_addresses(text)
        return "".join(self.address(part.text) if part.is_address else self.words(part.text) for part in parts)


def html_markup(line_break: str = "<br>", words: Callable[[str], str] = str) -> Markup:
    """HTML with links.

    line_break    stands for a line end
    words         changes the words before they are escaped
    """
    return Markup(
        lambda text: escape(words(text)).replace("\n", line_break),
        lambda address: f'<a href="{escape(address)}">{escape(address)}</a>',
    )


def angle_link(address: str) -> str:
    """An address in angle brackets: Markdown's link that shows itself. Nothing in it is markup."""
    return f"<{address}>"


def without_mentions(words: str) -> str:
    """Words that mention nobody: a zero-width space follows each @ before a name."""
    return _MENTION.sub(rf"\g<0>{ZERO_WIDTH_SPACE}", words)


def with_lookalikes(words: str) -> str:
    """Words with lookalikes instead of the marks of bold, italic, struck out and code, for markups without escapes."""
    return _EMPHASIS.sub(lambda match: _LOOKALIKES[match.group()], words)


def escape_list_marks(words: str) -> str:
    """Words with backslashes before what would begin a list at the start of a line."""
    return _LIST_MARKS.sub(lambda match: f"{match[1]}\\{match[2]}" if match[2] else f"{match[1]}{match[3]}\\", words)


def escape_common_mark(words: str) -> str:
    """Words with backslashes before what CommonMark reads as markup, GitHub's tables and struck text included."""
    escaped = escape_list_marks(_COMMON_MARK.sub(r"\\\g<0>", words))
    return without_mentions(_INDENTS.sub(lambda match: _NO_BREAK_SPACE * len(match.group()), escaped))


PLAIN = Markup()
COMMON_MARK = Markup(escape_common_mark, angle_link)
