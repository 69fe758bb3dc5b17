"""Markups of Apprise's services that have no sender of their own here. Pure."""

import re

from actors.senders.kit.markup import (
    ENTITY_START,
    ZERO_WIDTH_SPACE,
    Markup,
    angle_link,
    escape_common_mark,
    with_lookalikes,
    without_mentions,
)

_AFTER_LABEL = re.compile(r"\](?=\()")  # between the label and the address of a link
_ROCKET_ESCAPABLE = re.compile(r"[*_~`#]|(?<=\\)\.|(?<=^\d)\.|(?<=^\d\d)\.", re.MULTILINE)
_ROCKET_LINE_STARTS = re.compile(r"^(?=[->])", re.MULTILINE)  # no escape parts these: lists, quotes
_ROCKET_TAGS = re.compile(r"<|\](?=\()")
_ROCKET_TRAILING = tuple(".,!%~*\"':;()=")  # does not end an address that Rocket.Chat finds itself
_LINK_END = re.compile(r"[()]")


def _escape_rocket_chat(words: str) -> str:
    """Words as they are in Rocket.Chat, whose backslash escapes only some marks.

    source    the grammar of Rocket.Chat's message parser
    """
    escaped = _ROCKET_ESCAPABLE.sub(r"\\\g<0>", words)
    parted = _ROCKET_LINE_STARTS.sub(ZERO_WIDTH_SPACE, escaped)
    return without_mentions(_ROCKET_TAGS.sub(rf"\g<0>{ZERO_WIDTH_SPACE}", parted))


def _rocket_chat_link(address: str) -> str:
    """An address that Rocket.Chat finds whole; with a label where its end would be taken for a sentence's."""
    is_whole = not address.endswith(_ROCKET_TRAILING) or ")" in address
    return address if is_whole else f"<{address}|{address}>"


def _without_escapes(words: str) -> str:
    """CommonMark for services whose own markup has no escapes: Apprise removes the backslashes for them."""
    return escape_common_mark(_AFTER_LABEL.sub(f"]{ZERO_WIDTH_SPACE}", with_lookalikes(words)))


def _adaptive_card_link(address: str) -> str:
    """A link with a label, the only form that Adaptive Cards know; in brackets of its own when it has any."""
    target = ENTITY_START.sub("&amp;", address)
    return f"[{escape_common_mark(address)}]({f'<{target}>' if _LINK_END.search(address) else target})"


LOOKALIKE = Markup(_without_escapes, angle_link)
ROCKET_CHAT = Markup(_escape_rocket_chat, _rocket_chat_link)
ADAPTIVE_CARD = Markup(escape_common_mark, _adaptive_card_link)
