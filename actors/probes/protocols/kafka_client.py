"""The requests of a check to a Kafka broker: versions, sign-in, metadata, produce."""

import struct

from msgspec import Struct

from actors.probes.kit.result import TargetFailed
from actors.probes.protocols.kafka_records import encode_batch
from actors.probes.protocols.kafka_wire import (
    KafkaConnection,
    KafkaReader,
    KafkaRequest,
    encode_array,
    encode_bytes,
    encode_string,
)
from actors.probes.protocols.scram import ScramClient
from app.clock import now_ms
from schema.targets import SaslMechanism

ACKS_ALL = -1
NO_SUCH_TOPIC = 3
ERROR_TEXTS = {  # that a check can meet, by Kafka's numbers
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


class Partition(Struct, frozen=True):
    """A partition and the address of its leader, empty without one."""

    number: int
    host: str
    port: int


class Topic(Struct, frozen=True):
    """A broker's metadata of a topic. `error` is Kafka's number."""

    error: int
    partitions: list[Partition]


class Broker:
    """A connected broker."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection

    async def check_versions(self) -> None:
        """Raises TargetFailed for a broker without our protocol versions."""
        error, versions = await self._connection.request(KafkaRequest.VERSIONS, b"", _parse_versions)
        raise_for_error(error)
        for key, version in (KafkaRequest.METADATA.value, KafkaRequest.PRODUCE.value):
            low, high = versions.get(key, (0, -1))
            if not low <= version <= high:
                raise TargetFailed(ERROR_TEXTS[35])

    async def sign_in(self, mechanism: SaslMechanism, username: str, password: str) -> None:
        """Raises TargetFailed in the broker's words."""
        error, mechanisms = await self._connection.request(
            KafkaRequest.HANDSHAKE, encode_string(mechanism), _parse_handshake
        )
        if error and mechanisms:
            raise TargetFailed(f"{ERROR_TEXTS.get(error, f'error {error}')}; it knows {', '.join(mechanisms)[:80]}")
        raise_for_error(error)
        if mechanism is SaslMechanism.PLAIN:
            await self._prove(f"\0{username}\0{password}".encode())
            return
        scram = ScramClient(username, password, mechanism.value)
        challenge = await self._prove(scram.first_message())
        scram.verify(await self._prove(scram.final_message(challenge)))

    async def _prove(self, token: bytes) -> bytes:
        error, message, response = await self._connection.request(
            KafkaRequest.AUTHENTICATE, encode_bytes(token), _parse_authentication
        )
        if error and message:
            raise TargetFailed(f"the broker answered: {message}")
        raise_for_error(error)
        return response

    async def get_topic(self, name: str, *, create: bool) -> Topic:
        """The topic's partitions and leaders.

        create    whether a broker may create the topic
        """
        return await self._connection.request(
            KafkaRequest.METADATA, encode_array(encode_string(name)) + bytes([create]), _parse_metadata
        )

    async def produce(self, name: str, partition: int, message: bytes, limit_ms: int) -> int:
        """Produce a message, acknowledged by every replica in sync; its offset. Raises TargetFailed for a refusal."""
        data = struct.pack(">i", partition) + encode_bytes(encode_batch(message, now_ms()))
        body = (
            encode_string(None)
            + struct.pack(">hi", ACKS_ALL, limit_ms)
            + encode_array(encode_string(name) + encode_array(data))
        )
        error, offset = await self._connection.request(KafkaRequest.PRODUCE, body, _parse_produce)
        raise_for_error(error)
        return offset


def raise_for_error(error: int) -> None:
    """Raises TargetFailed for any number but 0."""
    if error:
        raise TargetFailed(ERROR_TEXTS.get(error, f"the broker answered with error {error}"))


def _parse_versions(reply: KafkaReader) -> tuple[int, dict[int, tuple[int, int]]]:
    error = reply.integer(16)
    return error, dict(reply.array(lambda: (reply.integer(16), (reply.integer(16), reply.integer(16)))))


def _parse_handshake(reply: KafkaReader) -> tuple[int, list[str]]:
    return reply.integer(16), reply.array(reply.string)


def _parse_authentication(reply: KafkaReader) -> tuple[int, str, bytes]:
    return reply.integer(16), reply.string(), reply.octets()


def _parse_metadata(reply: KafkaReader) -> Topic:
    reply.integer(32)  # throttle time
    nodes = dict(reply.array(lambda: _parse_node(reply)))
    reply.string()  # the cluster's name
    reply.integer(32)  # the controller
    (topic,) = reply.array(lambda: _parse_topic(reply, nodes))
    return topic


def _parse_node(reply: KafkaReader) -> tuple[int, tuple[str, int]]:
    found = reply.integer(32), (reply.string(), reply.integer(32))
    reply.string()  # its rack
    return found


def _parse_topic(reply: KafkaReader, nodes: dict[int, tuple[str, int]]) -> Topic:
    error = reply.integer(16)
    reply.string()  # the name that we sent
    reply.take(1)  # whether it is internal
    return Topic(error, reply.array(lambda: _parse_partition(reply, nodes)))


def _parse_partition(reply: KafkaReader, nodes: dict[int, tuple[str, int]]) -> Partition:
    reply.integer(16)  # an error without meaning for the leader, or without a leader
    number, leader = reply.integer(32), reply.integer(32)
    for _ in ("replicas", "those in sync"):
        reply.array(lambda: reply.integer(32))
    return Partition(number, *nodes.get(leader, ("", 0)))


def _parse_produce(reply: KafkaReader) -> tuple[int, int]:
    ((found,),) = reply.array(lambda: _parse_produced_topic(reply))
    return found


def _parse_produced_topic(reply: KafkaReader) -> list[tuple[int, int]]:
    reply.string()  # the topic
    return reply.array(lambda: _parse_produced_partition(reply))


def _parse_produced_partition(reply: KafkaReader) -> tuple[int, int]:
    reply.integer(32)  # the partition
    found = reply.integer(16), reply.integer(64)
    reply.integer(64)  # the append time
    return found
