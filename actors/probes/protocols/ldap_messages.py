"""Encodes and parses the few LDAP messages that a check needs (RFC 4511). Pure."""

from msgspec import Struct

from actors.probes.protocols.ber import (
    ENUMERATED,
    OCTETS,
    SEQUENCE,
    element,
    integer,
    octets,
    parse_elements,
    parse_integer,
)

START_TLS = "1.3.6.1.4.1.1466.20037"
UNBIND = 0x42
BIND, SEARCH, EXTENDED = 0x60, 0x63, 0x77
BIND_RESPONSE, SEARCH_ENTRY, SEARCH_DONE, EXTENDED_RESPONSE = 0x61, 0x64, 0x65, 0x78
SCOPES = {"base": 0, "one": 1, "sub": 2}
FALSE = b"\0"
BOOLEAN, SIMPLE, EXTENDED_NAME = 0x01, 0x80, 0x80
OK, SIZE_LIMIT = 0, 4

RESULT_TEXTS = {
    1: "operations error",
    2: "protocol error",
    3: "time limit exceeded",
    7: "authentication method not supported",
    8: "stronger authentication required",
    10: "referral",
    11: "administrative limit exceeded",
    13: "confidentiality required: the server wants TLS",
    32: "no such object",
    34: "not a distinguished name",
    48: "inappropriate authentication",
    49: "invalid credentials",
    50: "insufficient access rights",
    51: "busy",
    52: "unavailable",
    53: "unwilling to perform",
}


class LdapResult(Struct, frozen=True):
    """How an operation ended."""

    code: int
    diagnostic: str

    @property
    def reason(self) -> str:
        """Our text, with the server's in parentheses."""
        text = RESULT_TEXTS.get(self.code, f"result {self.code}")
        return f"{text} ({self.diagnostic[:200]})" if self.diagnostic else text


class LdapEntry(Struct, frozen=True):
    """A search result: a name, and values by attribute in lower case."""

    name: str
    values: dict[str, list[str]]


def encode_message(id_: int, operation: bytes) -> bytes:
    """The envelope of an operation."""
    return element(SEQUENCE, integer(id_), operation)


def encode_bind(name: str, password: str) -> bytes:
    """A simple bind; two empty strings are anonymous."""
    return element(BIND, integer(3), octets(name), octets(password, SIMPLE))


def encode_start_tls() -> bytes:
    """The extended request for TLS."""
    return element(EXTENDED, octets(START_TLS, EXTENDED_NAME))


def encode_search(base: str, scope: str, filter_: bytes, attribute: str, limit: int) -> bytes:
    """A search request.

    filter_      encoded
    attribute    to return; empty: none (`1.1`)
    """
    return element(
        SEARCH,
        octets(base),
        integer(SCOPES[scope], ENUMERATED),
        integer(0, ENUMERATED),  # aliases are not followed
        integer(limit),
        integer(0),  # no time limit: our own deadline applies
        element(BOOLEAN, FALSE),
        filter_,
        element(SEQUENCE, octets(attribute or "1.1")),
    )


def parse_message(data: bytes) -> tuple[int, int, bytes]:
    """Message id, operation and its body. Raises ValueError."""
    ((kind, inner),) = parse_elements(data)
    (id_tag, id_), (operation, body), *_ = parse_elements(inner)
    if kind != SEQUENCE or id_tag != 0x02:  # noqa: PLR2004  # INTEGER
        raise ValueError("no LDAP message")
    return parse_integer(id_), operation, body


def parse_result(body: bytes) -> LdapResult:
    """How an operation ended. Raises ValueError."""
    (_, code), _, (tag, diagnostic), *_ = parse_elements(body)
    if tag != OCTETS:
        raise ValueError("no LDAP result")
    return LdapResult(parse_integer(code), " ".join(diagnostic.decode("utf-8", errors="replace").split()))


def parse_entry(body: bytes) -> LdapEntry:
    """One entry. Raises ValueError."""
    (_, name), (_, attributes) = parse_elements(body)
    values = {}
    for _, attribute in parse_elements(attributes):
        (_, type_), (_, contents) = parse_elements(attribute)
        values[_text(type_).lower()] = [_text(one) for _, one in parse_elements(contents)]
    return LdapEntry(_text(name), values)


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")
