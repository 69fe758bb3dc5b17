"""Checks that produce a Kafka message; the brokers are librdkafka's where those can do what a test needs."""

import asyncio
import struct

import msgspec
import pytest

from actors.probes.protocols.kafka_client import Partition, Topic
from actors.probes.protocols.kafka_records import crc32c, encode_batch
from actors.probes.types.kafka_producer import choose_partition
from schema.assertions import Operator, Value
from schema.heartbeat_texts import ANSWERED, NO_ANSWER
from schema.status import Status
from schema.targets import KafkaProducer, SaslMechanism
from tests.actors.probes import certificates
from tests.actors.probes.changing_relay import survives
from tests.actors.probes.scripted_server import sending, talking
from tests.actors.probes.servers_kafka import (
    PASSWORD,
    USERNAME,
    Guarded,
    cluster,
    guarded,
    leaders_of,
    made,
    stored_message,
)

UP, DOWN, UNKNOWN = Status.UP, Status.DOWN, Status.UNKNOWN
NOT_KAFKA, CLOSED = "the answer is not Kafka's protocol", "the broker closed the connection"


@pytest.fixture(scope="module")
def brokers():
    """A cluster of three with the topic `beats`."""
    with cluster() as found:
        made(found, "beats")
        yield found


def asking(*brokers, **changes):
    return KafkaProducer(**{"brokers": list(brokers), "topic": "beats", "message": "still ü here", **changes})


def at(port, **changes):
    return asking(f"127.0.0.1:{port}", **changes)


async def test_an_acknowledged_message_is_up_and_another_client_reads_it(check, brokers):
    outcome = await check(asking(*brokers), detailed=True)
    assert (outcome.status, outcome.code) == (UP, ANSWERED), outcome.message
    assert outcome.detail["broker"] in brokers
    place = outcome.detail["partition"], outcome.detail["offset"]
    assert await asyncio.to_thread(stored_message, brokers, "beats", *place) == "still ü here".encode()


async def test_every_broker_leads_to_the_leaders(check, brokers):
    leaders = await asyncio.to_thread(leaders_of, brokers, "beats")
    for one in brokers:
        outcome = await check(asking(one), detailed=True)
        assert (outcome.status, outcome.detail["broker"]) == (UP, leaders[outcome.detail["partition"]])


def test_partitions_with_a_leader_are_used_in_turn():
    partitions = [Partition(0, "a.example", 9092), Partition(1, "", 0), Partition(2, "b.example", 9092)]
    chosen = {choose_partition(Topic(0, partitions)).number for _ in range(200)}  # to miss one is a chance of 1:10^60
    assert chosen == {0, 2}


async def test_the_longest_message_is_stored_whole(check, brokers):
    outcome = await check(asking(*brokers, message="ü" * 10_000), detailed=True)
    place = outcome.detail["partition"], outcome.detail["offset"]
    assert await asyncio.to_thread(stored_message, brokers, "beats", *place) == "ü".encode() * 10_000


async def test_assertions_see_the_offset(check, brokers):
    assert (await check(asking(*brokers, assertions=[Value(operator=Operator(">="), expected="0")]))).status is UP
    assert (await check(asking(*brokers, assertions=[Value(operator=Operator("<"), expected="0")]))).status is DOWN


async def test_a_missing_topic_is_down_and_not_created(check, brokers):
    for _ in range(2):
        outcome = await check(asking(*brokers, topic="nowhere"))
        assert outcome.status is DOWN
        assert outcome.message.startswith("the topic does not exist")


async def test_a_topic_is_created_when_configured(check, brokers):
    made_now = asking(*brokers, topic="made-by-the-check", allow_auto_topic_creation=True)
    assert (await check(made_now)).status is UP
    assert (await check(asking(*brokers, topic="made-by-the-check"))).status is UP


async def test_a_closed_port_is_down(check, free_port):
    outcome = await check(at(free_port))
    assert (outcome.status, outcome.message) == (DOWN, "connection refused")


async def test_brokers_that_do_not_answer_are_passed_over(check, brokers, free_port):
    async with sending() as silent:
        outcome = await check(asking(f"127.0.0.1:{free_port}", f"127.0.0.1:{silent}", brokers[0]))
    assert outcome.status is UP, outcome.message


async def test_when_no_broker_responds_each_error_is_reported(check, free_port):
    refusing = f"127.0.0.1:{free_port}"
    async with sending() as silent, sending(b"HTTP/1.1 400 Bad Request\r\n\r\n") as web:
        hanging, strange = f"127.0.0.1:{silent}", f"127.0.0.1:{web}"
        outcome = await check(asking(refusing, hanging, strange), timeout_ms=2_000)
    expected = f"{refusing}: connection refused; {hanging}: no answer; {strange}: {NOT_KAFKA}"
    assert (outcome.status, outcome.message) == (DOWN, expected)


@pytest.mark.parametrize("mechanism", SaslMechanism)
async def test_only_an_authenticated_client_can_produce(check, mechanism):
    broker, user = Guarded(), {"username": USERNAME, "password": PASSWORD, "mechanism": mechanism}
    async with guarded(broker) as port:
        right = await check(at(port, **user))
        wrong = await check(at(port, **user | {"password": "wrong"}))
        nobody = await check(at(port))
    assert right.status is UP, right.message
    assert len(broker.messages) == 1
    assert (wrong.status, wrong.message) == (DOWN, "the broker answered: Authentication failed: Invalid credentials")
    assert (nobody.status, nobody.message) == (DOWN, CLOSED)


async def test_a_mechanism_that_the_broker_does_not_know_is_named(check):
    async with guarded(Guarded(("SCRAM-SHA-512",))) as port:
        outcome = await check(at(port, username=USERNAME, password=PASSWORD))
    assert outcome.message == "the broker does not know this SASL mechanism; it knows SCRAM-SHA-512"


async def test_tls_is_verified_by_the_configured_authority_unless_errors_are_ignored(check, tmp_path):
    user, ca = {"username": USERNAME, "password": PASSWORD, "tls": True}, certificates.authority_pem()
    async with guarded(Guarded(), tls=certificates.served(tmp_path)) as port:
        trusted = await check(at(port, ca_cert=ca, **user))
        strange = await check(at(port, **user))
        misnamed = await check(asking(f"localhost:{port}", ca_cert=ca, **user))
        ignored = await check(at(port, ignore_tls_errors=True, **user))
    assert [trusted.status, strange.status, misnamed.status, ignored.status] == [UP, DOWN, DOWN, UP]
    assert strange.message.startswith("certificate not valid: ")
    assert misnamed.message.startswith("certificate not valid: Hostname mismatch")


def reply(number: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">ii", len(body) + 4, number) + body


VERSIONS = reply(1, struct.pack(">hi", 0, 2), struct.pack(">hhh", 0, 3, 9), struct.pack(">hhh", 3, 0, 12))


def metadata(host: bytes, port: int, leader: int = 7, error: int = 0) -> bytes:
    node = struct.pack(">iiih", 0, 1, 7, len(host)) + host + struct.pack(">ihhii", port, -1, -1, 7, 1)
    topic = struct.pack(">hh", error, 5) + b"beats\0" + struct.pack(">ihii", 1, 0, 0, leader)
    return reply(2, node, topic, struct.pack(">ii", 0, 0))


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], NOT_KAFKA),
        ([b"\x15\3\3\0\2\2\x50"], NOT_KAFKA),
        ([b"\x7f\xff\xff\xff" + b"a" * 65_536], NOT_KAFKA),
        ([b"\xff\xff\xff\xff"], NOT_KAFKA),
        ([reply(2, b"\0" * 20)], NOT_KAFKA),
        ([reply(1, b"\0")], NOT_KAFKA),
        ([reply(1, struct.pack(">hi", 0, 2**31 - 1))], NOT_KAFKA),
        ([reply(1, struct.pack(">hi", 35, 0))], "the broker does not know this version of the protocol"),
        ([reply(1, struct.pack(">hi", 0, 0))], "the broker does not know this version of the protocol"),
        ([reply(1, struct.pack(">hi", 99, 0))], "the broker answered with error 99"),
        ([VERSIONS[:9]], CLOSED),
        ([VERSIONS], CLOSED),
        ([VERSIONS, reply(2, b"\0" * 18)], NOT_KAFKA),
        ([VERSIONS, metadata(b"\xff\xff", 80)], NOT_KAFKA),
        ([VERSIONS, metadata(b"a b", 80)], "no partition of the topic has a leader"),
        ([VERSIONS, metadata(b"127.0.0.1", 65_536)], "no partition of the topic has a leader"),
        ([VERSIONS, metadata(b"127.0.0.1", 80, leader=-1)], "no partition of the topic has a leader"),
        ([VERSIONS, metadata(b"127.0.0.1", 80, error=29)], "not authorized for the topic"),
    ],
)
async def test_a_hostile_broker_is_down(check, reply, message):
    async with sending(*reply, then_close=True) as port:
        outcome = await check(at(port))
    assert (outcome.status, outcome.message) == (DOWN, message)


async def test_a_silent_broker_is_down(check):
    async with sending() as port:
        outcome = await check(at(port), timeout_ms=150)
    assert (outcome.status, outcome.code) == (DOWN, NO_ANSWER)


async def test_a_leader_is_subject_to_the_egress_policy(check):
    async with sending(VERSIONS, metadata(b"169.254.169.254", 80)) as port:
        led = await check(at(port))
    direct = await check(asking("169.254.169.254:80"))
    assert led.status is direct.status is UNKNOWN
    assert led.message == direct.message == "169.254.169.254 is a cloud metadata address: refused"


@pytest.mark.parametrize(
    "first", [b"r=other,s=YSBwaW5jaCBvZiBzYWx0,i=4096", b"r=%s,s=a,i=4096", b"r=%s,s=YSBwaW5jaCBvZiBzYWx0,i=x", b"\xff"]
)
async def test_a_sign_in_that_is_no_scram_is_down(check, first):
    class Rude(Guarded):
        def _scram(self, _digest, reply):
            token = first.replace(b"%s", reply.rpartition("r=")[2].encode())
            return struct.pack(">hhi", 0, -1, len(token)) + token

    async with guarded(Rude()) as port:
        outcome = await check(at(port, username=USERNAME, password=PASSWORD, mechanism=SaslMechanism.SCRAM_SHA_256))
    assert (outcome.status, outcome.message) == (DOWN, "the server's sign-in is not SCRAM as it should be")


async def test_a_check_that_is_cut_off_hangs_up(check):
    requested, gone = asyncio.Event(), asyncio.Event()

    async def hang(reader, writer):
        try:
            await reader.readexactly(4)
            requested.set()
            await reader.read()
        finally:
            gone.set()

    async with talking(hang) as port:
        checking = asyncio.create_task(check(at(port)))
        await requested.wait()
        checking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await checking
        await gone.wait()


def test_the_checksum_is_that_of_rfc_3720():
    assert crc32c(b"\0" * 32) == 0x8A91_36AA
    assert crc32c(b"123456789") == 0xE306_9283
    assert encode_batch(b"x", 0)[16] == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"brokers": []}, "length >= 1"),
        ({"brokers": ["kafka.lan"]}, "matching regex"),
        ({"brokers": ["kafka.lan:0"]}, "a port that is none: kafka.lan:0"),
        ({"brokers": ["kafka.lan:65536"]}, "a port that is none"),
        ({"topic": "a b"}, "matching regex"),
        ({"message": ""}, "length >= 1"),
        ({"mechanism": "GSSAPI"}, "Invalid enum value"),
    ],
)
def test_an_unusable_config_is_refused(changes, message):
    usual = {"brokers": ["kafka.lan:9092", "[fd00::1]:9092"], "topic": "beats", "message": "x"}
    assert msgspec.convert(usual, KafkaProducer).mechanism == "PLAIN"
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(usual | changes, KafkaProducer)


async def test_a_corrupted_connection_is_no_internal_error(check, brokers):
    await survives(check, int(brokers[0].rpartition(":")[2]), at)
