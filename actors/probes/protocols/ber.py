"""BER as LDAP and SNMP use it (X.690): single-byte tags, definite lengths. Pure, and strict with what peers send."""

INTEGER, OCTETS, NULL, OID, ENUMERATED, SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x0A, 0x30
SHORT_LENGTH = 0x80  # below it the first byte is the length, above it the number of bytes that hold it
MAX_LENGTH_BYTES = 4
HEADER_BYTES = 2 + MAX_LENGTH_BYTES
MANY_BYTE_TAG = 0x1F
# Limits on what a peer sends: elements in a row, bytes of a number, of an object identifier (RFC 2578, 3.5: 128 numbers
# of 32 bits), and of each number in it.
MAX_ELEMENTS, NUMBER_BYTES, OID_BYTES, ARC_BYTES = 10_000, 64, 640, 5


def element(tag: int, *parts: bytes) -> bytes:
    """A tag, a length, and the parts in a row."""
    body = b"".join(parts)
    return bytes((tag,)) + _length(len(body)) + body


def integer(number: int, tag: int = INTEGER) -> bytes:
    """A signed number in as few bytes as possible."""
    return element(tag, number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))


def octets(data: bytes | str, tag: int = OCTETS) -> bytes:
    """A byte string; text as UTF-8."""
    return element(tag, data.encode() if isinstance(data, str) else data)


def oid(dotted: str) -> bytes:
    """An object identifier, `1.3.6.1.2.1`. Raises ValueError for an invalid one."""
    first, second, *rest = (int(one) for one in dotted.strip(".").split("."))
    numbers = (first * 40 + second, *rest)
    return element(OID, b"".join(_base128(one) for one in numbers))


def element_bounds(data: bytes) -> tuple[int, int] | None:
    """Where the body of the first element begins and ends; None while the header is incomplete.

    raises    ValueError for unsupported BER
    """
    if len(data) < 2:  # noqa: PLR2004  # a tag and a length
        return None
    if data[0] & MANY_BYTE_TAG == MANY_BYTE_TAG:
        raise ValueError("a tag of several bytes")
    if data[1] < SHORT_LENGTH:
        return 2, 2 + data[1]
    count = data[1] - SHORT_LENGTH
    if not 1 <= count <= MAX_LENGTH_BYTES:
        raise ValueError("a length that is not definite, or absurd")
    begin = 2 + count
    return None if len(data) < begin else (begin, begin + int.from_bytes(data[2:begin], "big"))


def parse_elements(data: bytes) -> list[tuple[int, bytes]]:
    """All elements in the data: tag and body. Raises ValueError unless they fill it exactly."""
    found, at = list[tuple[int, bytes]](), 0
    while at < len(data):
        bounds = element_bounds(data[at : at + HEADER_BYTES])
        if bounds is None or at + bounds[1] > len(data):
            raise ValueError("an element that is cut off")
        if len(found) == MAX_ELEMENTS:
            raise ValueError("too many elements")
        found.append((data[at], data[at + bounds[0] : at + bounds[1]]))
        at += bounds[1]
    return found


def parse_first(data: bytes) -> tuple[int, bytes]:
    """The element at the start of a datagram; what follows is ignored. Raises ValueError when it is truncated."""
    bounds = element_bounds(data[:HEADER_BYTES])
    if bounds is None or bounds[1] > len(data):
        raise ValueError("an element that is cut off")
    return data[0], data[bounds[0] : bounds[1]]


def parse_integer(body: bytes) -> int:
    """An INTEGER's or ENUMERATED's value. Raises ValueError for an empty one."""
    if not body:
        raise ValueError("a number of no bytes")
    if len(body) > NUMBER_BYTES:
        raise ValueError("a number that is too large")
    return int.from_bytes(body, "big", signed=True)


def parse_oid(body: bytes) -> str:
    """The body of an OID in dotted notation. Raises ValueError when it is truncated."""
    if not body or body[-1] & 0x80 or len(body) > OID_BYTES:
        raise ValueError("an object's name that is cut off, or too long")
    numbers, number_ = list[int](), 0
    for byte in body:
        number_ = number_ << 7 | byte & 0x7F
        if number_ >> 7 * ARC_BYTES:
            raise ValueError("an object's name with a number that is too large")
        if not byte & 0x80:
            numbers.append(number_)
            number_ = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - first * 40, *numbers[1:])))


def _length(count: int) -> bytes:
    if count < SHORT_LENGTH:
        return bytes((count,))
    size = (count.bit_length() + 7) // 8
    return bytes((SHORT_LENGTH + size,)) + count.to_bytes(size, "big")


def _base128(number: int) -> bytes:
    if number < 0:
        raise ValueError("a negative number in an object's name")
    found = [number & 0x7F]
    while number := number >> 7:
        found.append(number & 0x7F | 0x80)
    return bytes(reversed(found))
