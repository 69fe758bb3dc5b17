"""SNMP's requests and values (RFC 3416), and the envelope of versions 1 and 2c. Pure."""

from ipaddress import IPv4Address

from msgspec import Struct

from actors.probes.ber import (
    INTEGER,
    NULL,
    OCTETS,
    OID,
    SEQUENCE,
    dotted,
    element,
    elements,
    integer,
    number,
    octets,
    oid,
)

GET, RESPONSE, REPORT = 0xA0, 0xA2, 0xA8
ADDRESS, COUNTER, GAUGE, TICKS, COUNTER_64 = 0x40, 0x41, 0x42, 0x43, 0x46
UNSIGNED = frozenset({COUNTER, GAUGE, TICKS, COUNTER_64})
ABSENT = {0x80: "there is no such object", 0x81: "there is no such instance", 0x82: "the device has nothing more"}
NO_SUCH_NAME = 2
REFUSALS = {1: "the answer would be too big", 5: "a general error", 6: "no access", 16: "authorization error"}
VERSIONS = {"1": 0, "2c": 1}


class Reply(Struct, frozen=True):
    """What an agent said: the first object's name, the tag and the bytes of its value."""

    kind: int
    request_id: int
    status: int
    name: str
    tag: int
    body: bytes

    @property
    def objection(self) -> str:
        """Why there is no value; empty when there is one."""
        if self.status == NO_SUCH_NAME:
            return "there is no such object"
        if self.status:
            return f"the device refuses: {REFUSALS.get(self.status, f'error {self.status}')}"
        return ABSENT.get(self.tag, "")

    @property
    def value(self) -> str | int | None:
        """The value as people read it: numbers, text, dotted names and addresses, bytes in hex."""
        if self.tag == INTEGER:
            return number(self.body)
        if self.tag in UNSIGNED:
            return number(b"\0" + self.body)
        if self.tag == OID:
            return dotted(self.body)
        if self.tag == ADDRESS:
            return str(IPv4Address(self.body))
        return None if self.tag == NULL else _text(self.body)


def get(request_id: int, name: str) -> bytes:
    """The question for one object."""
    binding = element(SEQUENCE, element(SEQUENCE, oid(name), element(NULL)))
    return element(GET, integer(request_id), integer(0), integer(0), binding)


def reply(kind: int, body: bytes) -> Reply:
    """Read a response or a report. Raises ValueError."""
    (_, request_id), (_, status), _, (_, bindings) = elements(body)
    (_, first), *_ = elements(bindings)
    (_, name), (tag, value) = elements(first)
    return Reply(kind, number(request_id), number(status), dotted(name), tag, value)


def enveloped(version: str, community: str, pdu: bytes) -> bytes:
    """A message of version 1 or 2c."""
    return element(SEQUENCE, integer(VERSIONS[version]), octets(community), pdu)


def opened(version: str, data: bytes) -> Reply:
    """Read a message of that version. Raises ValueError for anything else."""
    ((outer, inner),) = elements(data)
    (tag, own), (community, _), (kind, body) = elements(inner)
    if (outer, tag, community, kind) != (SEQUENCE, INTEGER, OCTETS, RESPONSE) or number(own) != VERSIONS[version]:
        raise ValueError("no answer of this version")
    return reply(kind, body)


def _text(data: bytes) -> str:
    """Text where it is some, else hex."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data.hex(":")
    return text if all(one.isprintable() or one.isspace() for one in text) else data.hex(":")
