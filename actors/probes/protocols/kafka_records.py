"""A message in Kafka's storage format: a batch of one record (format 2, Kafka 0.11 and later). Pure."""

import struct

CASTAGNOLI = 0x82F6_3B78  # CRC-32C, its bits reversed
HEAD = struct.Struct(">qiibI")  # first offset, length, the leader's epoch, format, checksum
# Attributes, last offset, first and last time, producer, its epoch, sequence, records.
BODY = struct.Struct(">hiqqqhii")
UNSET = -1
FORMAT = 2
UNCOUNTED_BYTES = 12  # of the head, not counted in its length


def encode_batch(value: bytes, at_ms: int) -> bytes:
    """One record without a key."""
    record = (
        b"\0"
        + _encode_varint(0)
        + _encode_varint(0)
        + _encode_varint(UNSET)
        + _encode_varint(len(value))
        + value
        + _encode_varint(0)
    )
    body = BODY.pack(0, 0, at_ms, at_ms, UNSET, UNSET, UNSET, 1) + _encode_varint(len(record)) + record
    return HEAD.pack(0, HEAD.size - UNCOUNTED_BYTES + len(body), UNSET, FORMAT, crc32c(body)) + body


def crc32c(data: bytes) -> int:
    """The checksum of RFC 3720."""
    crc = 0xFFFF_FFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFF_FFFF


def _encode_varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the lowest bit is the sign."""
    rest, encoded = number << 1 ^ number >> 63, bytearray()
    while rest > 0x7F:  # noqa: PLR2004  # seven bits
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*encoded, rest])


def _table_entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (CASTAGNOLI if byte & 1 else 0)
    return byte


CRC_TABLE = tuple(map(_table_entry, range(256)))
