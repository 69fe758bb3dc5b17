"""Kafkas of the tests: librdkafka's own cluster of brokers, and one broker with TLS and authentication.

librdkafka's brokers speak the real protocol and keep what they are given, but know neither TLS nor SASL; what a broker
says to a sign-in is therefore written down here. An Apache Kafka needs a Java that test machines don't have.
"""

import asyncio
import contextlib
import hashlib
import hmac
import ssl
import struct
import uuid
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Iterator

from confluent_kafka import Consumer, Producer, TopicPartition

from tests.actors.probes.scripted_server import talking

SALT, ROUNDS = b"salt of a broker's length", 4_096
USERNAME, PASSWORD = "adä", "se same/#,=ß€"


@contextlib.contextmanager
def cluster(brokers: int = 3) -> Iterator[list[str]]:
    """Addresses of the brokers of a cluster in this process; clients with that permission create topics."""
    owner = Producer(
        {
            "bootstrap.servers": "none",
            "test.mock.num.brokers": brokers,
            "log_level": 0,
            "allow.auto.create.topics": True,
        }
    )
    yield [f"{one.host}:{one.port}" for one in owner.list_topics(timeout=10).brokers.values()]
    owner.flush(0)


def made(brokers: list[str], topic: str) -> str:
    """The name of a topic that is there."""
    maker = Producer({"bootstrap.servers": ",".join(brokers), "log_level": 0, "allow.auto.create.topics": True})
    maker.produce(topic, b"the first one")
    assert maker.flush(10) == 0
    return topic


def leaders_of(brokers: list[str], topic: str) -> dict[int, str]:
    """Partition → the broker that leads it, as another client sees it: the mock draws them."""
    known = Producer({"bootstrap.servers": ",".join(brokers), "log_level": 0}).list_topics(topic, timeout=10)
    names = {number: f"{one.host}:{one.port}" for number, one in known.brokers.items()}
    return {number: names[one.leader] for number, one in known.topics[topic].partitions.items()}


def stored_message(brokers: list[str], topic: str, partition: int, offset: int) -> bytes:
    """The message there, as another client reads it; its checksum is verified."""
    consumer = Consumer(
        {"bootstrap.servers": ",".join(brokers), "group.id": uuid.uuid4().hex, "check.crcs": True, "log_level": 0}
    )
    consumer.assign([TopicPartition(topic, partition, offset)])
    found = consumer.poll(20)
    consumer.close()
    assert found is not None
    assert found.error() is None
    return found.value() or b""


class Guarded:
    """A broker that is the only one and leads the only partition, for those who sign in."""

    def __init__(self, mechanisms: tuple[str, ...] = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")) -> None:
        self.mechanisms, self.port, self.messages, self._auth_message = mechanisms, 0, list[bytes](), ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mechanism, signed_in = "", False
        while True:
            size = int.from_bytes(await reader.readexactly(4), "big")
            request = await reader.readexactly(size)
            key, _, number, name = struct.unpack(">hhih", request[:10])
            body = request[10 + name :]
            if key == 17:
                mechanism = body[2:].decode()
                answer = self._handshake(mechanism)
            elif key == 36:
                answer = self._sign_in(mechanism, body[4:])
                signed_in = answer[:2] == b"\0\0"
            elif key == 18:
                answer = _versions()
            elif not signed_in:
                return
            else:
                answer = self._metadata() if key == 3 else self._store(body)
            writer.write(struct.pack(">ii", len(answer) + 4, number) + answer)

    def _handshake(self, mechanism: str) -> bytes:
        known = b"".join(map(_text, self.mechanisms))
        return struct.pack(">hi", 0 if mechanism in self.mechanisms else 33, len(self.mechanisms)) + known

    def _sign_in(self, mechanism: str, token: bytes) -> bytes:
        if mechanism == "PLAIN":
            right = token == f"\0{USERNAME}\0{PASSWORD}".encode()
            return _allowed(b"") if right else _refused()
        return self._scram("sha512" if mechanism.endswith("512") else "sha256", token.decode())

    def _scram(self, digest: str, request: str) -> bytes:
        """The server's side of RFC 5802."""
        if request.startswith("n,,"):
            nonce = request.rpartition("r=")[2] + "ours"
            first = f"r={nonce},s={b64encode(SALT).decode()},i={ROUNDS}"
            self._auth_message = f"{request[3:]},{first}"
            return _allowed(first.encode())
        without, _, proof = request.rpartition(",p=")
        salted = hashlib.pbkdf2_hmac(digest, PASSWORD.encode(), SALT, ROUNDS)
        key, whole = hmac.digest(salted, b"Client Key", digest), f"{self._auth_message},{without}".encode()
        signature = hmac.digest(hashlib.new(digest, key).digest(), whole, digest)
        if bytes(a ^ b for a, b in zip(b64decode(proof), signature, strict=True)) != key:
            return _refused()
        own = hmac.digest(hmac.digest(salted, b"Server Key", digest), whole, digest)
        return _allowed(b"v=" + b64encode(own))

    def _metadata(self) -> bytes:
        node = struct.pack(">ii", 1, 7) + _text("127.0.0.1") + struct.pack(">ih", self.port, -1)
        partition = struct.pack(">hii", 0, 0, 7) + struct.pack(">ii", 1, 7) * 2
        topic = struct.pack(">h", 0) + _text("beats") + b"\0" + struct.pack(">i", 1) + partition
        return struct.pack(">i", 0) + node + struct.pack(">hii", -1, 7, 1) + topic

    def _store(self, body: bytes) -> bytes:
        self.messages.append(body)
        done = struct.pack(">iihqq", 1, 0, 0, len(self.messages) - 1, -1)
        return struct.pack(">i", 1) + _text("beats") + done + struct.pack(">i", 0)


def _text(message: str) -> bytes:
    return struct.pack(">h", len(message)) + message.encode()


def _versions() -> bytes:
    known = [(0, 3, 9), (3, 0, 12), (17, 0, 1), (18, 0, 3), (36, 0, 2)]
    return struct.pack(">hi", 0, len(known)) + b"".join(struct.pack(">hhh", *one) for one in known)


def _allowed(request: bytes) -> bytes:
    return struct.pack(">hhi", 0, -1, len(request)) + request


def _refused() -> bytes:
    return struct.pack(">h", 58) + _text("Authentication failed: Invalid credentials") + struct.pack(">i", 0)


@contextlib.asynccontextmanager
async def guarded(broker: Guarded, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port where it is."""
    async with talking(broker.serve, tls=tls) as port:
        broker.port = port
        yield port
