"""Parses LDAP search filters (RFC 4515). Pure; `actors.probes.protocols.ldap_filter` encodes them as bytes."""

import re
from typing import TypeAlias

from msgspec import Struct

MAX_DEPTH = 20
_ATTRIBUTE = r"[A-Za-z0-9][A-Za-z0-9.;-]*"
_ITEM = re.compile(rf"({_ATTRIBUTE})[ ]*(>=|<=|~=|=)([^()]*)")
_EXTENSIBLE = re.compile(rf"({_ATTRIBUTE})?(:dn)?(?::({_ATTRIBUTE}))?:=([^()]*)", re.IGNORECASE)
_ESCAPE = re.compile(rb"\\([0-9A-Fa-f]{2})")
_INCOMPLETE_ESCAPE = re.compile(r"\\(?![0-9A-Fa-f]{2})")


class AttributeComparison(Struct, frozen=True):
    """`attribute=value`, or with >=, <= and ~=."""

    attribute: str
    operator: str
    value: bytes


class PresenceMatch(Struct, frozen=True):
    """`attribute=*`."""

    attribute: str


class SubstringMatch(Struct, frozen=True):
    """`attribute=first*middle*last`: pieces between the stars; the first and the last may be empty."""

    attribute: str
    pieces: list[bytes]


class ExtensibleMatch(Struct, frozen=True):
    """`attribute:dn:rule:=value`: an extensible match."""

    attribute: str
    rule: str
    value: bytes
    with_dn: bool


class FilterGroup(Struct, frozen=True):
    """`&`, `|` or `!`, with its filters."""

    operator: str
    parts: list["Filter"]


Filter: TypeAlias = AttributeComparison | PresenceMatch | SubstringMatch | ExtensibleMatch | FilterGroup


def parse_filter(text: str) -> Filter:
    """The parsed filter. Raises ValueError with the reason."""
    text = text.strip()
    found, end = _parse_parenthesized(text if text.startswith("(") else f"({text})", 0, 0)
    if end != len(text) and text.startswith("("):
        raise ValueError(f"must be one filter; after it there is more text from character {end + 1} on")
    return found


def _parse_parenthesized(text: str, at: int, depth: int) -> tuple[Filter, int]:
    """A filter in parentheses, and the position after it."""
    if depth > MAX_DEPTH:
        raise ValueError(f"must be nested at most {MAX_DEPTH} filters deep")
    if text[at : at + 1] != "(":
        raise ValueError(f"must have a parenthesis at character {at + 1}")
    inner = _skip_blanks(text, at + 1)
    found, end = _parse_group(text, inner, depth) if text[inner : inner + 1] in {*"&|!"} else _parse_item(text, inner)
    if text[end : end + 1] != ")":
        raise ValueError(f"must have a closing parenthesis at character {end + 1}")
    return found, end + 1


def _parse_group(text: str, at: int, depth: int) -> tuple[Filter, int]:
    operator, parts, end = text[at], list[Filter](), _skip_blanks(text, at + 1)
    while text[end : end + 1] == "(":
        part, end = _parse_parenthesized(text, end, depth + 1)
        end = _skip_blanks(text, end)
        parts.append(part)
    if operator == "!" and len(parts) != 1:
        raise ValueError("must have one filter after `!`")
    return FilterGroup(operator, parts), end


def _skip_blanks(text: str, at: int) -> int:
    while text[at : at + 1].isspace():
        at += 1
    return at


def _parse_item(text: str, at: int) -> tuple[Filter, int]:
    """A comparison of one attribute, and the position after it."""
    if match := _EXTENSIBLE.match(text, at):
        attribute, with_dn, rule, value = match.groups()
        if attribute or rule:
            return ExtensibleMatch(attribute or "", rule or "", _unescape(value), bool(with_dn)), match.end()
    match = _ITEM.match(text, at)
    if not match:
        raise ValueError(f"must have an `attribute=value` at character {at + 1}")
    attribute, operator, value = match.groups()
    if operator == "=" and value == "*":
        return PresenceMatch(attribute), match.end()
    if operator == "=" and "**" in value:
        raise ValueError("must have text between two stars")
    if operator == "=" and "*" in value:
        return SubstringMatch(attribute, [_unescape(piece) for piece in value.split("*")]), match.end()
    return AttributeComparison(attribute, operator, _unescape(value)), match.end()


def _unescape(value: str) -> bytes:
    """The value without escapes: a backslash and two hex digits stand for a byte."""
    if _INCOMPLETE_ESCAPE.search(value):
        raise ValueError(r"must have two hex digits after each backslash: \2a is a star, \5c a backslash")
    if "*" in value:
        raise ValueError(r"must have \2a for a star that is part of the value")
    return _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()), value.encode())
