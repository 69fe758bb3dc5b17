"""MQTT 3.1.1 as far as a check needs it: connect, subscribe, one bounded message in. Every broker speaks it."""

import asyncio
from typing import Protocol

from actors.probes.kit.result import TargetFailed

CONNECT, SUBSCRIBE, DISCONNECT = 0x10, 0x82, b"\xe0\0"
CONNACK, PUBLISH, SUBACK = 2, 3, 9  # kinds of incoming packets
RETAIN = 0x01  # flag of a message from before our subscription
MAX_PACKET_BYTES = 1_000_000
MAX_PACKETS = 1_000  # before the expected one: a broker may send others first
MAX_RETAINED = 10_000  # packets, when retained messages are skipped
NOT_MQTT = "the answer is not MQTT"
REFUSALS = {
    1: "the broker speaks another version of MQTT",
    2: "the broker takes no client with a name like ours",
    3: "the broker is not available",
    4: "the broker refused the sign-in: bad user name or password",
    5: "the broker refused the sign-in: not authorized",
}


class ByteStream(Protocol):
    """A source of bytes."""

    async def readexactly(self, size: int, /) -> bytes:
        """Exactly so many bytes. Raises asyncio.IncompleteReadError at the end."""


def encode_connect(client: str, username: str, password: str) -> bytes:
    """The first packet: a clean session without keep-alive."""
    named = bool(username or password)
    flags = 0x02 | (0xC0 if password else 0x80 if named else 0)
    fields = [client, *([username] if named else []), *([password] if password else [])]
    return _encode_packet(CONNECT, _encode_text("MQTT") + bytes([4, flags, 0, 0]) + b"".join(map(_encode_text, fields)))


def encode_subscribe(topic: str) -> bytes:
    """At most once: the next check replaces what is lost."""
    return _encode_packet(SUBSCRIBE, b"\0\1" + _encode_text(topic) + b"\0")


async def await_connack(reader: ByteStream) -> None:
    """Wait until the broker accepts the connection. Raises TargetFailed."""
    *_, body = await read_packet(reader, only=CONNACK)
    if len(body) != 2:  # noqa: PLR2004  # flags and a code
        raise TargetFailed(NOT_MQTT)
    if body[1]:
        raise TargetFailed(REFUSALS.get(body[1], f"the broker refused the connection ({body[1]})"))


async def read_message(reader: ByteStream, *, wait: bool, ignore_retained: bool = False) -> tuple[str, bytes] | None:
    """The first message's topic and payload; None once subscribed, unless `wait` is set.

    ignore_retained    skip messages from before the subscription
    """
    for _ in range(MAX_RETAINED if ignore_retained else MAX_PACKETS):
        kind, flags, body = await read_packet(reader)
        if kind == SUBACK and body[2:] not in {b"\0", b"\1", b"\2"}:
            raise TargetFailed("the broker refused the subscription")
        if kind == SUBACK and not wait:
            return None
        if kind == PUBLISH and not (ignore_retained and flags & RETAIN):
            return _parse_publish(flags, body)
    raise TargetFailed("the broker sends packets that nobody asked for")


def _parse_publish(flags: int, body: bytes) -> tuple[str, bytes]:
    end = 2 + int.from_bytes(body[:2], "big")
    if len(body) < end:
        raise TargetFailed(NOT_MQTT)
    return body[2:end].decode("utf-8", "replace"), body[end + (2 if flags & 0x06 else 0) :]


async def read_packet(reader: ByteStream, *, only: int = 0) -> tuple[int, int, bytes]:
    """The next packet's kind, flags and body. Raises TargetFailed for too long a packet, the end, or another kind."""
    try:
        head = (await reader.readexactly(1))[0]
        if only and head >> 4 != only:
            raise TargetFailed(NOT_MQTT)
        size = await _read_size(reader)
        return head >> 4, head & 0x0F, await reader.readexactly(size)
    except asyncio.IncompleteReadError as error:
        raise TargetFailed("the broker closed the connection") from error


async def _read_size(reader: ByteStream) -> int:
    size = 0
    for place in range(4):
        byte = (await reader.readexactly(1))[0]
        size |= (byte & 0x7F) << 7 * place
        if size > MAX_PACKET_BYTES:
            raise TargetFailed("the message is longer than 1 MB")
        if byte < 0x80:  # noqa: PLR2004  # a high bit means that another byte follows
            return size
    raise TargetFailed(NOT_MQTT)


def _encode_packet(head: int, body: bytes) -> bytes:
    size, encoded_size = len(body), bytearray()
    while True:
        size, low = divmod(size, 128)
        encoded_size.append(low | (0x80 if size else 0))
        if not size:
            return bytes([head]) + bytes(encoded_size) + body


def _encode_text(text: str) -> bytes:
    raw = text.encode()
    return len(raw).to_bytes(2, "big") + raw
