"""What a check says to a Kafka broker: what do you speak, who am I, where is the topic, keep this."""

import struct
import time

from msgspec import Struct

from actors.probes.kit.result import Failed
from actors.probes.protocols.kafka_records import batch
from actors.probes.protocols.kafka_wire import Conversation, Reply, Request, many, octets, text
from actors.probes.protocols.scram import Scram
from schema.targets import SaslMechanism

ALL_IN_SYNC = -1
NO_SUCH_TOPIC = 3
WORDS = {  # the errors that a check can meet, by Kafka's numbers
    2: "the message is corrupt",
    NO_SUCH_TOPIC: "the topic does not exist",
    5: "the partition has no leader",
    6: "the broker does not lead the partition",
    7: "the replicas took too long",
    8: "the broker is not available",
    9: "a replica is not available",
    10: "the message is too large",
    17: "the topic's name is not valid",
    19: "too few replicas are in sync",
    20: "too few replicas were in sync when the message was kept",
    29: "not authorized for the topic",
    31: "not authorized for the cluster",
    33: "the broker does not know this SASL mechanism",
    34: "the broker takes no sign-in here",
    35: "the broker does not know this version of the protocol",
    44: "the message is against the topic's policy",
    56: "the disk of the broker failed",
    58: "the sign-in failed",
    87: "the topic does not take such a message",
}
DIGESTS = {SaslMechanism.SCRAM_SHA_256: "sha256", SaslMechanism.SCRAM_SHA_512: "sha512"}


class Partition(Struct, frozen=True):
    """A part of a topic, and where its leader is: empty without one."""

    number: int
    host: str
    port: int


class Topic(Struct, frozen=True):
    """What a broker knows of a topic. `error` is Kafka's number."""

    error: int
    partitions: list[Partition]


class Broker:
    """One broker that we are connected to."""

    def __init__(self, talk: Conversation) -> None:
        self._talk = talk

    async def greet(self) -> None:
        """Raises Failed for a broker that does not speak as we do."""
        error, spoken = await self._talk.ask(Request.VERSIONS, b"", _versions)
        refuse(error)
        for key, version in (Request.METADATA.value, Request.PRODUCE.value):
            low, high = spoken.get(key, (0, -1))
            if not low <= version <= high:
                raise Failed(WORDS[35])

    async def sign_in(self, mechanism: SaslMechanism, username: str, password: str) -> None:
        """Raises Failed in the broker's words."""
        error, known = await self._talk.ask(Request.HANDSHAKE, text(mechanism), _handshake)
        if error and known:
            raise Failed(f"{WORDS.get(error, f'error {error}')}; it knows {', '.join(known)[:80]}")
        refuse(error)
        if mechanism is SaslMechanism.PLAIN:
            await self._prove(f"\0{username}\0{password}".encode())
            return
        scram = Scram(username, password, DIGESTS[mechanism])
        said = await self._prove(scram.first())
        scram.verify(await self._prove(scram.final(said)))

    async def _prove(self, token: bytes) -> bytes:
        error, words, said = await self._talk.ask(Request.AUTHENTICATE, octets(token), _authenticated)
        if error and words:
            raise Failed(f"the broker answered: {words}")
        refuse(error)
        return said

    async def topic(self, name: str, *, create: bool) -> Topic:
        """Where it is.

        create    whether a broker may make it
        """
        return await self._talk.ask(Request.METADATA, many(text(name)) + bytes([create]), _topic)

    async def keep(self, name: str, partition: int, message: bytes, limit_ms: int) -> int:
        """Have a message kept by every replica in sync; its offset. Raises Failed for a refusal."""
        kept = struct.pack(">i", partition) + octets(batch(message, time.time_ns() // 1_000_000))
        body = text(None) + struct.pack(">hi", ALL_IN_SYNC, limit_ms) + many(text(name) + many(kept))
        error, offset = await self._talk.ask(Request.PRODUCE, body, _kept)
        refuse(error)
        return offset


def refuse(error: int) -> None:
    """Raises Failed for any number but 0."""
    if error:
        raise Failed(WORDS.get(error, f"the broker answered with error {error}"))


def _versions(reply: Reply) -> tuple[int, dict[int, tuple[int, int]]]:
    error = reply.number(16)
    return error, dict(reply.many(lambda: (reply.number(16), (reply.number(16), reply.number(16)))))


def _handshake(reply: Reply) -> tuple[int, list[str]]:
    return reply.number(16), reply.many(reply.text)


def _authenticated(reply: Reply) -> tuple[int, str, bytes]:
    return reply.number(16), reply.text(), reply.octets()


def _topic(reply: Reply) -> Topic:
    reply.number(32)  # how long we are asked to wait
    nodes = dict(reply.many(lambda: _node(reply)))
    reply.text()  # the cluster's name
    reply.number(32)  # who controls it
    (topic,) = reply.many(lambda: _described(reply, nodes))
    return topic


def _node(reply: Reply) -> tuple[int, tuple[str, int]]:
    found = reply.number(32), (reply.text(), reply.number(32))
    reply.text()  # its rack
    return found


def _described(reply: Reply, nodes: dict[int, tuple[str, int]]) -> Topic:
    error = reply.number(16)
    reply.text()  # the name that we asked for
    reply.take(1)  # whether it is Kafka's own
    return Topic(error, reply.many(lambda: _partition(reply, nodes)))


def _partition(reply: Reply, nodes: dict[int, tuple[str, int]]) -> Partition:
    reply.number(16)  # an error that does not matter to a leader, or comes without one
    number, leader = reply.number(32), reply.number(32)
    for _ in ("replicas", "those in sync"):
        reply.many(lambda: reply.number(32))
    return Partition(number, *nodes.get(leader, ("", 0)))


def _kept(reply: Reply) -> tuple[int, int]:
    ((found,),) = reply.many(lambda: _answers(reply))
    return found


def _answers(reply: Reply) -> list[tuple[int, int]]:
    reply.text()  # the topic
    return reply.many(lambda: _answer(reply))


def _answer(reply: Reply) -> tuple[int, int]:
    reply.number(32)  # the partition
    found = reply.number(16), reply.number(64)
    reply.number(64)  # the time of keeping
    return found
