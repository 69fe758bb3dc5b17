"""Kafka's wire protocol as far as a check needs it: one request out, one bounded reply in.

Our own, because the client library takes 21 MB of a worker, connects where it likes and reads replies of any length.
Each request has one version, which brokers from 1.0 to 4 know.
"""

import asyncio
import struct
from collections.abc import Callable
from enum import Enum
from typing import TypeVar

from actors.probes.kit.result import TargetFailed
from actors.probes.kit.threads import run_in_thread

MAX_REPLY_BYTES = 1_000_000
INLINE_BYTES = 32_768
CORRELATION_ID_BYTES = 4  # a request's number, repeated in its reply
CLIENT_ID = "watchkeeper"
NOT_KAFKA = "the answer is not Kafka's protocol"

Item = TypeVar("Item")


class KafkaRequest(Enum):
    """The requests: API key and version."""

    PRODUCE = (0, 3)
    METADATA = (3, 4)
    HANDSHAKE = (17, 1)
    VERSIONS = (18, 0)
    AUTHENTICATE = (36, 0)


def encode_string(value: str | None) -> bytes:
    """A string, or null for None."""
    encoded = (value or "").encode()
    return struct.pack(">h", -1 if value is None else len(encoded)) + encoded


def encode_bytes(data: bytes) -> bytes:
    """Bytes with their length in front."""
    return struct.pack(">i", len(data)) + data


def encode_array(*items: bytes) -> bytes:
    """An array."""
    return struct.pack(">i", len(items)) + b"".join(items)


class KafkaReader:
    """Reads a reply from its front. Every method raises ValueError at a premature end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._offset = data, 0

    @property
    def is_short(self) -> bool:
        """Whether the event loop can parse it: a large one has hundreds of thousands of items."""
        return len(self._data) <= INLINE_BYTES

    def take(self, size: int) -> bytes:
        """The next bytes."""
        if not 0 <= size <= len(self._data) - self._offset:
            raise ValueError("the reply ends too soon")
        self._offset += size
        return self._data[self._offset - size : self._offset]

    def integer(self, bits: int) -> int:
        """A signed integer."""
        return int.from_bytes(self.take(bits // 8), "big", signed=True)

    def string(self) -> str:
        """A string; empty for null."""
        size = self.integer(16)
        return self.take(max(size, 0)).decode()

    def octets(self) -> bytes:
        """Bytes; empty for null."""
        return self.take(max(self.integer(32), 0))

    def array(self, read: Callable[[], Item]) -> list[Item]:
        """An array; its count can't exceed the remaining bytes."""
        count = self.integer(32)
        if count > len(self._data) - self._offset:
            raise ValueError("the reply ends too soon")
        return [read() for _ in range(count)]


class KafkaConnection:
    """One connection; one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer, self._correlation_id = reader, writer, 0

    async def request(self, request: KafkaRequest, body: bytes, read: Callable[[KafkaReader], Item]) -> Item:
        """What `read` parses from the reply. Raises TargetFailed for an invalid one."""
        self._correlation_id += 1
        key, version = request.value
        message = struct.pack(">hhi", key, version, self._correlation_id) + encode_string(CLIENT_ID) + body
        self._writer.write(encode_bytes(message))
        try:
            reply = await self._reply()
            return read(reply) if reply.is_short else await run_in_thread(read, reply)
        except asyncio.IncompleteReadError as error:
            raise TargetFailed("the broker closed the connection") from error
        except ValueError as error:
            raise TargetFailed(NOT_KAFKA) from error

    async def _reply(self) -> KafkaReader:
        size = int.from_bytes(await self._reader.readexactly(4), "big")
        if not CORRELATION_ID_BYTES <= size <= MAX_REPLY_BYTES:
            raise TargetFailed(NOT_KAFKA)
        reply = KafkaReader(await self._reader.readexactly(size))
        if reply.integer(32) != self._correlation_id:
            raise TargetFailed(NOT_KAFKA)
        return reply
