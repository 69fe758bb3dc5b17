"""Produces a message to a Kafka topic, acknowledged by every replica in sync.

Every broker is reached under the egress policy: those of the target, and the leader that they name.
"""

import asyncio
import random
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec import Struct

from actors.probes.kit.context import RunningCheck
from actors.probes.kit.errors import classify_os_error
from actors.probes.kit.result import CheckInconclusive, ProbeResult, TargetFailed
from actors.probes.net.tls import named_tls_context, peer_certificate_days
from actors.probes.protocols.kafka_client import Broker, Partition, Topic, raise_for_error
from actors.probes.protocols.kafka_wire import KafkaConnection
from schema.heartbeat_texts import ANSWERED
from schema.targets import KafkaProducer

HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:%-]{0,252}|::1?")  # the host that a broker may name
PORTS = range(1, 65_536)
MAX_TOPIC_POLLS = 20  # for a topic that is being created
TOPIC_POLL_S = 0.25


class BrokerConnection(Struct, frozen=True):
    """A broker that accepted us. `days` until its certificate expires."""

    broker: Broker
    host: str
    port: int
    days: int | None


async def probe(target: KafkaProducer, check: RunningCheck) -> ProbeResult:
    """Find the topic's leaders, and send the message to one of them."""
    async with AsyncExitStack() as stack:
        connection, topic = await _find_topic(target, check, stack)
        partition = choose_partition(topic)
        if (partition.host, partition.port) != (connection.host, connection.port):
            connection = await stack.enter_async_context(_connect(partition.host, partition.port, target, check))
        offset = await connection.broker.produce(
            target.topic, partition.number, target.message.encode(), check.snapshot.timeout_ms
        )
    detail = {"broker": f"{connection.host}:{connection.port}", "partition": partition.number, "offset": offset}
    return ProbeResult(
        code=ANSWERED, detail=detail if check.detailed else None, value=offset, certificate_days=connection.days
    )


async def _find_topic(
    target: KafkaProducer, check: RunningCheck, stack: AsyncExitStack
) -> tuple[BrokerConnection, Topic]:
    """The first broker that knows the topic; when none does, TargetFailed with each one's reason."""
    if len(target.brokers) == 1:
        return await _query_broker(target.brokers[0], target, check, stack)
    failures: list[str] = []
    for name in target.brokers:
        try:
            async with asyncio.timeout(check.snapshot.timeout_ms / 1000 / (len(target.brokers) + 1)):
                return await _query_broker(name, target, check, stack)
        except (OSError, TargetFailed) as error:
            failures.append(f"{name}: {_failure_reason(error)}")
    raise TargetFailed("; ".join(failures))


def _failure_reason(error: OSError | TargetFailed) -> str:
    """Why a broker failed. Raises CheckInconclusive when the failure is on our side."""
    if isinstance(error, TimeoutError) and not error.errno:
        return "no answer"
    reason = classify_os_error(error) if isinstance(error, OSError) else error
    if isinstance(reason, CheckInconclusive):
        raise reason
    return str(reason)


async def _query_broker(
    name: str, target: KafkaProducer, check: RunningCheck, stack: AsyncExitStack
) -> tuple[BrokerConnection, Topic]:
    host, _, port = name.rpartition(":")
    connection = await stack.enter_async_context(_connect(host.strip("[]"), int(port), target, check))
    return connection, await _await_topic(connection.broker, target)


async def _await_topic(broker: Broker, target: KafkaProducer) -> Topic:
    """The broker's metadata of the topic; polls a while for one that is being created."""
    topic = await broker.get_topic(target.topic, create=target.allow_auto_topic_creation)
    for _ in range(MAX_TOPIC_POLLS if target.allow_auto_topic_creation else 0):
        if not topic.error and any(one.host for one in topic.partitions):
            break
        await asyncio.sleep(TOPIC_POLL_S)
        topic = await broker.get_topic(target.topic, create=True)
    return topic


def choose_partition(topic: Topic) -> Partition:
    """Any partition that has a leader. Raises TargetFailed when there is none."""
    raise_for_error(topic.error)
    with_leader = [one for one in topic.partitions if HOST.fullmatch(one.host) and one.port in PORTS]
    if not with_leader:
        raise TargetFailed("no partition of the topic has a leader")
    return random.choice(with_leader)  # noqa: S311  # so that each gets its turn


@asynccontextmanager
async def _connect(host: str, port: int, target: KafkaProducer, check: RunningCheck) -> AsyncIterator[BrokerConnection]:
    """A connected broker, for the block."""
    tls = named_tls_context(target, host) if target.tls else None
    reader, writer = await check.context.egress.open_connection(host, port, ssl=tls)
    try:
        broker = Broker(KafkaConnection(reader, writer))
        await broker.check_versions()
        if target.username:
            await broker.sign_in(target.mechanism, target.username, target.password)
        yield BrokerConnection(broker, host, port, peer_certificate_days(writer))
    finally:
        writer.transport.abort()
