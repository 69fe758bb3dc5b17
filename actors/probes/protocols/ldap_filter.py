"""LDAP search filters as bytes (RFC 4511, 4.5.1.7). Pure."""

from actors.probes.protocols.ber import element, octets
from app.domain.parsing import ldap_filter
from app.domain.parsing.ldap_filter import (
    AttributeComparison,
    ExtensibleMatch,
    Filter,
    FilterGroup,
    PresenceMatch,
    SubstringMatch,
)

_NESTED = {"&": 0xA0, "|": 0xA1, "!": 0xA2}
_COMPARED = {"=": 0xA3, ">=": 0xA5, "<=": 0xA6, "~=": 0xA8}
_PRESENT, _SUBSTRINGS, _MATCHED = 0x87, 0xA4, 0xA9
_FIRST, _MIDDLE, _LAST = 0x80, 0x81, 0x82
_RULE, _TYPE, _VALUE, _WITH_DN = 0x81, 0x82, 0x83, 0x84
_TRUE = b"\xff"


def encode_filter(text: str) -> bytes:
    """The filter in BER. Raises ValueError for an invalid one."""
    return _encode(ldap_filter.parse_filter(text))


def _encode(parsed: Filter) -> bytes:
    match parsed:
        case FilterGroup(operator, parts):
            return element(_NESTED[operator], *map(_encode, parts))
        case PresenceMatch(attribute):
            return octets(attribute, _PRESENT)
        case SubstringMatch(attribute, pieces):
            return element(_SUBSTRINGS, octets(attribute), element(0x30, *_encode_pieces(pieces)))
        case AttributeComparison(attribute, operator, value):
            return element(_COMPARED[operator], octets(attribute), octets(value))
        case ExtensibleMatch():
            return _encode_extensible(parsed)


def _encode_pieces(pieces: list[bytes]) -> list[bytes]:
    first, *middle, last = pieces
    tagged = [(first, _FIRST), *((one, _MIDDLE) for one in middle), (last, _LAST)]
    return [octets(piece, tag) for piece, tag in tagged if piece]


def _encode_extensible(parsed: ExtensibleMatch) -> bytes:
    named = [(parsed.rule, _RULE), (parsed.attribute, _TYPE)]
    parts = [octets(text, tag) for text, tag in named if text]
    with_dn = [octets(_TRUE, _WITH_DN)] if parsed.with_dn else []
    return element(_MATCHED, *parts, octets(parsed.value, _VALUE), *with_dn)
