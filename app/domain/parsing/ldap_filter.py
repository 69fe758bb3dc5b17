"""Reads LDAP search filters (RFC 4515). Pure; `actors.probes.protocols.ldap_filter` writes what was read as bytes."""

import re
from typing import TypeAlias

from msgspec import Struct

DEEPEST = 20
_ATTRIBUTE = r"[A-Za-z0-9][A-Za-z0-9.;-]*"
_ITEM = re.compile(rf"({_ATTRIBUTE})[ ]*(>=|<=|~=|=)([^()]*)")
_MATCHED = re.compile(rf"({_ATTRIBUTE})?(:dn)?(?::({_ATTRIBUTE}))?:=([^()]*)", re.IGNORECASE)
_ESCAPED = re.compile(rb"\\([0-9A-Fa-f]{2})")
_CUT_ESCAPE = re.compile(r"\\(?![0-9A-Fa-f]{2})")


class Compared(Struct, frozen=True):
    """`attribute=value`, or with >=, <= and ~=."""

    attribute: str
    operator: str
    value: bytes


class Present(Struct, frozen=True):
    """`attribute=*`."""

    attribute: str


class Substrings(Struct, frozen=True):
    """`attribute=first*middle*last`: pieces between the stars, the first and the last of which may be empty."""

    attribute: str
    pieces: list[bytes]


class Matched(Struct, frozen=True):
    """`attribute:dn:rule:=value`: an extensible match."""

    attribute: str
    rule: str
    value: bytes
    with_dn: bool


class Combined(Struct, frozen=True):
    """`&`, `|` or `!`, and the filters it holds for."""

    operator: str
    parts: list["Filter"]


Filter: TypeAlias = Compared | Present | Substrings | Matched | Combined


def parsed(text: str) -> Filter:
    """The filter. Raises ValueError where it can't be read: what would be right."""
    text = text.strip()
    found, end = _filter(text if text.startswith("(") else f"({text})", 0, 0)
    if end != len(text) and text.startswith("("):
        raise ValueError(f"must end where its first parenthesis does: there is more from character {end + 1} on")
    return found


def _filter(text: str, at: int, depth: int) -> tuple[Filter, int]:
    """One filter in parentheses, and where it ends."""
    if depth > DEEPEST:
        raise ValueError(f"must have at most {DEEPEST} filters in one another")
    if text[at : at + 1] != "(":
        raise ValueError(f"must have a parenthesis at character {at + 1}")
    inner = _past_blanks(text, at + 1)
    found, end = _group(text, inner, depth) if text[inner : inner + 1] in {*"&|!"} else _item(text, inner)
    if text[end : end + 1] != ")":
        raise ValueError(f"must have a closing parenthesis at character {end + 1}")
    return found, end + 1


def _group(text: str, at: int, depth: int) -> tuple[Filter, int]:
    operator, parts, end = text[at], list[Filter](), _past_blanks(text, at + 1)
    while text[end : end + 1] == "(":
        part, end = _filter(text, end, depth + 1)
        end = _past_blanks(text, end)
        parts.append(part)
    if operator == "!" and len(parts) != 1:
        raise ValueError("must have one filter behind `!`")
    return Combined(operator, parts), end


def _past_blanks(text: str, at: int) -> int:
    while text[at : at + 1].isspace():
        at += 1
    return at


def _item(text: str, at: int) -> tuple[Filter, int]:
    """`attribute=value` and its kin."""
    if match := _MATCHED.match(text, at):
        attribute, with_dn, rule, value = match.groups()
        if attribute or rule:
            return Matched(attribute or "", rule or "", _plain(value), bool(with_dn)), match.end()
    match = _ITEM.match(text, at)
    if not match:
        raise ValueError(f"must have an `attribute=value` at character {at + 1}")
    attribute, operator, value = match.groups()
    if operator == "=" and value == "*":
        return Present(attribute), match.end()
    if operator == "=" and "**" in value:
        raise ValueError("must have something between two stars")
    if operator == "=" and "*" in value:
        return Substrings(attribute, [_plain(one) for one in value.split("*")]), match.end()
    return Compared(attribute, operator, _plain(value)), match.end()


def _plain(value: str) -> bytes:
    """A value without its escapes: a backslash and two hex digits are a byte."""
    if _CUT_ESCAPE.search(value):
        raise ValueError(r"must have two hex digits behind each backslash: \2a is a star, \5c a backslash")
    if "*" in value:
        raise ValueError(r"must have a star as \2a where it stands for itself")
    return _ESCAPED.sub(lambda found: bytes.fromhex(found[1].decode()), value.encode())
