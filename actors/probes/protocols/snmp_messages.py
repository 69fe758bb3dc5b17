"""SNMP's requests and values (RFC 3416), and the envelope of versions 1 and 2c. Pure."""

import struct
from ipaddress import IPv4Address

from msgspec import Struct

from actors.probes.protocols.ber import (
    INTEGER,
    NULL,
    OCTETS,
    OID,
    SEQUENCE,
    element,
    integer,
    octets,
    oid,
    parse_elements,
    parse_first,
    parse_integer,
    parse_oid,
)
from app.domain.parsing.values import Scalar, Untyped, exact_number

GET, RESPONSE, REPORT = 0xA0, 0xA2, 0xA8
ADDRESS, COUNTER, GAUGE, TICKS, OPAQUE, COUNTER_64, UINTEGER = 0x40, 0x41, 0x42, 0x43, 0x44, 0x46, 0x47
UNSIGNED = frozenset({COUNTER, GAUGE, TICKS, UINTEGER, COUNTER_64})
# Net-SNMP's types inside an Opaque: a tag of two bytes, of which the second is the type.
WRAPPED, WRAPPED_COUNTER, WRAPPED_FLOAT, WRAPPED_DOUBLE = 0x9F, 0x76, 0x78, 0x79
WRAPPED_SIGNED, WRAPPED_UNSIGNED = 0x7A, 0x7B
LARGEST_FLOAT = 3.4028235e38  # of 32 bits
FLOAT_DIGITS = range(6, 10)  # that can identify a float of 32 bits
ABSENT_TEXTS = {0x80: "there is no such object", 0x81: "there is no such instance", 0x82: "the device has nothing more"}
IPV4_BYTES = 4
NO_SUCH_NAME = 2
ERROR_TEXTS = {1: "the answer would be too big", 5: "a general error", 6: "no access", 16: "authorization error"}
VERSIONS = {"1": 0, "2c": 1}


class SnmpReply(Struct, frozen=True):
    """An agent's reply: the first object's name, and the tag and bytes of its value."""

    kind: int
    request_id: int
    status: int
    name: str
    tag: int
    body: bytes

    @property
    def error(self) -> str:
        """Why there is no value; empty when there is one."""
        if self.status == NO_SUCH_NAME:
            return "there is no such object"
        if self.status:
            return f"the device refuses: {ERROR_TEXTS.get(self.status, f'error {self.status}')}"
        return ABSENT_TEXTS.get(self.tag, "")

    @property
    def value(self) -> Scalar:
        """The value for people: numbers, text, dotted names and addresses, bytes in hex. Raises ValueError."""
        if self.tag == INTEGER:
            return parse_integer(self.body)
        if self.tag in UNSIGNED:
            return parse_unsigned(self.body)
        if self.tag == OPAQUE:
            return _parse_opaque(self.body)
        if self.tag == NULL:
            return None
        return Untyped(_value_text(self.tag, self.body))


def encode_get(request_id: int, name: str) -> bytes:
    """The request for one object."""
    binding = element(SEQUENCE, element(SEQUENCE, oid(name), element(NULL)))
    return element(GET, integer(request_id), integer(0), integer(0), binding)


def parse_reply(kind: int, body: bytes) -> SnmpReply:
    """Parse a response or a report. Raises ValueError."""
    (_, request_id), (_, status), _, (_, bindings) = parse_elements(body)
    (_, first), *_ = parse_elements(bindings)
    (_, name), (tag, value) = parse_elements(first)
    return SnmpReply(kind, parse_integer(request_id), parse_integer(status), parse_oid(name), tag, value)


def encode_message(version: str, community: str, pdu: bytes) -> bytes:
    """A message of version 1 or 2c."""
    return element(SEQUENCE, integer(VERSIONS[version]), octets(community), pdu)


def parse_message(version: str, data: bytes) -> SnmpReply:
    """Parse a message of that version. Raises ValueError for anything else."""
    outer, inner = parse_first(data)
    (tag, version_bytes), (community, _), (kind, body) = parse_elements(inner)
    if (outer, tag, community, kind) != (SEQUENCE, INTEGER, OCTETS, RESPONSE) or parse_integer(
        version_bytes
    ) != VERSIONS[version]:
        raise ValueError("no answer of this version")
    return parse_reply(kind, body)


def parse_unsigned(body: bytes) -> int:
    """A number from 0 on, with or without the leading zero that keeps a large one from being negative."""
    return parse_integer(b"\0" + body)


def _parse_opaque(body: bytes) -> Scalar:
    """Numbers that SMI has no type for, as Net-SNMP encodes them; anything else in hex."""
    if len(body) > 2 and body[0] == WRAPPED and body[2] == len(body) - 3:  # noqa: PLR2004  # two of a tag, one of a length
        kind, inner = body[1], body[3:]
        if kind == WRAPPED_FLOAT and len(inner) == 4:  # noqa: PLR2004  # bytes
            return exact_number(_shortest_float(inner))
        if kind == WRAPPED_DOUBLE and len(inner) == 8:  # noqa: PLR2004  # bytes
            return exact_number(*struct.unpack("!d", inner))
        if kind == WRAPPED_SIGNED:
            return parse_integer(inner)
        if kind in {WRAPPED_UNSIGNED, WRAPPED_COUNTER}:
            return parse_unsigned(inner)
    return Untyped(body.hex(":"))


def _shortest_float(body: bytes) -> float:
    """The shortest decimal number for a float of 32 bits: 5.47, not 5.46999979."""
    (found,) = struct.unpack("!f", body)
    candidates = (float(f"{found:.{digits}g}") for digits in FLOAT_DIGITS)
    return next(
        (
            candidate
            for candidate in candidates
            if abs(candidate) < LARGEST_FLOAT and struct.pack("!f", candidate) == body
        ),
        found,
    )


def _value_text(tag: int, data: bytes) -> str:
    if tag == OID:
        return parse_oid(data)
    if tag != ADDRESS:
        return _text(data)
    if len(data) != IPV4_BYTES:
        raise ValueError(f"an address of {len(data)} bytes")
    return str(IPv4Address(data))


def _text(data: bytes) -> str:
    """The text, with or without C's trailing NULs; hex for anything else."""
    try:
        text = data.rstrip(b"\0").decode()
    except UnicodeDecodeError:
        return data.hex(":")
    is_text = all(one.isprintable() or one.isspace() for one in text) and (text or not data)
    return text if is_text else data.hex(":")
