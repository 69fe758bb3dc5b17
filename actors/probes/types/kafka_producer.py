"""Writes a message to a Kafka topic, and waits until every replica in sync has it.

Every broker is reached through the door: those that the target names, and the leader that they name.
"""

import asyncio
import random
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec import Struct

from actors.probes.kit.context import Asked
from actors.probes.kit.errors import of_system
from actors.probes.kit.result import Failed, Seen, Unsure
from actors.probes.net.tls import context_by, days_left
from actors.probes.protocols.kafka_client import Broker, Partition, Topic, refuse
from actors.probes.protocols.kafka_wire import Conversation
from schema.heartbeat_texts import ANSWERED
from schema.targets import KafkaProducer

HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:%-]{0,252}|::1?")  # what a broker may call another one
PORTS = range(1, 65_536)
LOOKS = 20  # for a topic that is being made
LOOK_S = 0.25


class Contact(Struct, frozen=True):
    """A broker that let us in. `days` are those of its certificate."""

    broker: Broker
    host: str
    port: int
    days: int | None


async def probe(target: KafkaProducer, asked: Asked) -> Seen:
    """Ask where the topic is, and hand the message to one of its leaders."""
    async with AsyncExitStack() as connections:
        contact, topic = await _informed(target, asked, connections)
        partition = led(topic)
        if (partition.host, partition.port) != (contact.host, contact.port):
            contact = await connections.enter_async_context(_contact(partition.host, partition.port, target, asked))
        offset = await contact.broker.keep(
            target.topic, partition.number, target.message.encode(), asked.snapshot.timeout_ms
        )
    where = {"broker": f"{contact.host}:{contact.port}", "partition": partition.number, "offset": offset}
    return Seen(code=ANSWERED, detail=where if asked.detailed else None, value=offset, certificate_days=contact.days)


async def _informed(target: KafkaProducer, asked: Asked, connections: AsyncExitStack) -> tuple[Contact, Topic]:
    """The first broker that tells where the topic is; where none does, what each of them said."""
    if len(target.brokers) == 1:
        return await _told(target.brokers[0], target, asked, connections)
    said: list[str] = []
    for name in target.brokers:
        try:
            async with asyncio.timeout(asked.snapshot.timeout_ms / 1000 / (len(target.brokers) + 1)):
                return await _told(name, target, asked, connections)
        except (OSError, Failed) as failed:
            said.append(f"{name}: {_reason(failed)}")
    raise Failed("; ".join(said))


def _reason(failed: OSError | Failed) -> str:
    """Why a broker does not count. Raises Unsure when that is our fault."""
    if isinstance(failed, TimeoutError) and not failed.errno:
        return "no answer"
    reason = of_system(failed) if isinstance(failed, OSError) else failed
    if isinstance(reason, Unsure):
        raise reason
    return str(reason)


async def _told(name: str, target: KafkaProducer, asked: Asked, connections: AsyncExitStack) -> tuple[Contact, Topic]:
    host, _, port = name.rpartition(":")
    contact = await connections.enter_async_context(_contact(host.strip("[]"), int(port), target, asked))
    return contact, await _topic(contact.broker, target)


async def _topic(broker: Broker, target: KafkaProducer) -> Topic:
    """What the broker knows of it; one that is being made gets some time."""
    topic = await broker.topic(target.topic, create=target.allow_auto_topic_creation)
    for _ in range(LOOKS if target.allow_auto_topic_creation else 0):
        if not topic.error and any(one.host for one in topic.partitions):
            break
        await asyncio.sleep(LOOK_S)
        topic = await broker.topic(target.topic, create=True)
    return topic


def led(topic: Topic) -> Partition:
    """One of the partitions that have a leader, whichever. Raises Failed when there is none."""
    refuse(topic.error)
    leading = [one for one in topic.partitions if HOST.fullmatch(one.host) and one.port in PORTS]
    if not leading:
        raise Failed("no partition of the topic has a leader")
    return random.choice(leading)  # noqa: S311  # so that each has its turn


@asynccontextmanager
async def _contact(host: str, port: int, target: KafkaProducer, asked: Asked) -> AsyncIterator[Contact]:
    """A broker that let us in, until the block ends."""
    reader, writer = await asked.tools.egress.open_connection(host, port, ssl=_encryption(target, host))
    try:
        broker = Broker(Conversation(reader, writer))
        await broker.greet()
        if target.username:
            await broker.sign_in(target.mechanism, target.username, target.password)
        yield Contact(broker, host, port, days_left(writer))
    finally:
        writer.transport.abort()


def _encryption(target: KafkaProducer, host: str) -> ssl.SSLContext | None:
    return context_by(target, host) if target.tls else None
