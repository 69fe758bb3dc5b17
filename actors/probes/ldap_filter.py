"""LDAP search filters (RFC 4515) as bytes. Pure. Extensible matches (`:=`) are not among them."""

import re

from actors.probes.ber import element, octets

DEEPEST = 20
_NESTED = {"&": 0xA0, "|": 0xA1, "!": 0xA2}
_COMPARED = {"=": 0xA3, ">=": 0xA5, "<=": 0xA6, "~=": 0xA8}
_PRESENT, _SUBSTRINGS = 0x87, 0xA4
_FIRST, _MIDDLE, _LAST = 0x80, 0x81, 0x82
_ITEM = re.compile(r"([A-Za-z0-9][A-Za-z0-9.;-]*)(>=|<=|~=|=)([^()]*)")
_ESCAPED = re.compile(rb"\\([0-9A-Fa-f]{2})")


def encoded(text: str) -> bytes:
    """The filter as it goes over the wire. Raises ValueError where it can't be read."""
    text = text.strip()
    found, end = _filter(text if text.startswith("(") else f"({text})", 0, 0)
    if end != len(text) and text.startswith("("):
        raise ValueError(f"there is more after the filter's end, from character {end + 1} on")
    return found


def _filter(text: str, at: int, depth: int) -> tuple[bytes, int]:
    """One filter in parentheses, and where it ends."""
    if depth > DEEPEST:
        raise ValueError(f"more than {DEEPEST} filters in one another")
    if text[at : at + 1] != "(":
        raise ValueError(f"a parenthesis is missing at character {at + 1}")
    inner = at + 1
    found, end = _group(text, inner, depth) if text[inner : inner + 1] in {*_NESTED} else _item(text, inner)
    if text[end : end + 1] != ")":
        raise ValueError(f"a parenthesis is missing at character {end + 1}")
    return found, end + 1


def _group(text: str, at: int, depth: int) -> tuple[bytes, int]:
    """`&`, `|` or `!`, and the filters it holds for."""
    kind, parts, end = text[at], list[bytes](), at + 1
    while text[end : end + 1] == "(":
        part, end = _filter(text, end, depth + 1)
        parts.append(part)
    if kind == "!" and len(parts) != 1:
        raise ValueError("`!` takes one filter")
    return element(_NESTED[kind], *parts), end


def _item(text: str, at: int) -> tuple[bytes, int]:
    """`attribute=value` and its kin."""
    match = _ITEM.match(text, at)
    if not match:
        raise ValueError(f"there is no `attribute=value` at character {at + 1}")
    name, operator, value = match.groups()
    if operator == "=" and value == "*":
        return octets(name, _PRESENT), match.end()
    if operator == "=" and "*" in value:
        return element(_SUBSTRINGS, octets(name), element(0x30, *_pieces(value))), match.end()
    return element(_COMPARED[operator], octets(name), octets(_plain(value))), match.end()


def _pieces(value: str) -> list[bytes]:
    first, *middle, last = value.split("*")
    marked = [(first, _FIRST), *((one, _MIDDLE) for one in middle), (last, _LAST)]
    return [octets(_plain(piece), tag) for piece, tag in marked if piece]


def _plain(value: str) -> bytes:
    """A value without its escapes: a backslash and two hex digits are a byte."""
    return _ESCAPED.sub(lambda found: bytes.fromhex(found[1].decode()), value.encode())
