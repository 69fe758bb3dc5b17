"""Checks of an MQTT topic, on a real Mosquitto."""

import asyncio
import subprocess

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from actors.probes.protocols import mqtt
from bench.ports import unused_port
from schema.assertions import Operator, Value
from schema.heartbeat_texts import ANSWERED, CONNECTED, NO_ANSWER
from schema.status import Status
from schema.targets import Mqtt
from tests.actors.probes import certificates
from tests.actors.probes.changing_relay import DIFFERS, survives
from tests.actors.probes.scripted_server import sending, talking
from tests.actors.probes.server_processes import (
    a_place,
    as_unprivileged_user,
    program,
    running,
    writable_by_unprivileged_user,
)

UP, DOWN, UNKNOWN = Status.UP, Status.DOWN, Status.UNKNOWN
PAYLOADS = {"state": b'{"sensors": [{"value": 41.5}]}', "word": b"open", "long": b"a" * 70_000}  # more than 65,535


def publish_packet(topic: str, payload: bytes) -> bytes:
    """A message to be retained."""
    return mqtt._encode_packet(0x31, mqtt._encode_text(f"house/{topic}") + payload)


@pytest.fixture(scope="module")
def place():
    """A directory with a certificate, the broker's configuration to be written into it."""
    with a_place() as made:
        certificates.served(made)
        yield made


@pytest.fixture(scope="module")
def broker(place):
    """A broker with users and four ports: plain, encrypted, and both for WebSockets."""
    daemon, passwords = program("mosquitto", "mosquitto"), program("mosquitto_passwd", "mosquitto")
    ports = port, encrypted, socket, encrypted_socket = tuple(unused_port() for _ in range(4))
    subprocess.run([passwords, "-b", "-c", str(place / "users"), "ada", "se same/#"], check=True)
    (place / "acl").write_text("user ada\ntopic readwrite house/#\n")
    tls = f"certfile {place / 'leaf.pem'}\nkeyfile {place / 'leaf.pem'}\n"
    (place / "conf").write_text(
        f"per_listener_settings false\npassword_file {place / 'users'}\nacl_file {place / 'acl'}\n"
        f"listener {port} 127.0.0.1\nlistener {encrypted} 127.0.0.1\n{tls}"
        f"listener {socket} 127.0.0.1\nprotocol websockets\n"
        f"listener {encrypted_socket} 127.0.0.1\nprotocol websockets\n{tls}"
    )
    writable_by_unprivileged_user(place)
    with running(as_unprivileged_user(daemon, "-c", str(place / "conf")), place, *ports):
        yield ports


@pytest.fixture
async def server(broker):
    """The broker's port, its messages retained."""
    reader, writer = await asyncio.open_connection("127.0.0.1", broker[0])
    writer.write(mqtt.encode_connect("filling", "ada", "se same/#"))
    await mqtt.await_connack(reader)
    for topic, payload in PAYLOADS.items():
        writer.write(publish_packet(topic, payload))
    writer.write(mqtt.DISCONNECT)
    await reader.read()
    writer.close()
    return broker[0]


def asking(port, topic="house/word", **changes):
    usual = {"host": "127.0.0.1", "port": port, "username": "ada", "password": "se same/#"}
    return Mqtt(**{**usual, "topic": topic, **changes})


async def test_a_message_that_comes_is_up(check, server):
    outcome = await check(asking(server), detailed=True)
    assert (outcome.status, outcome.code) == (UP, ANSWERED)
    assert outcome.detail == {"topic": "house/word", "value": "open"}


@pytest.mark.parametrize(
    ("topic", "path", "operator", "expected"),
    [
        ("house/word", "", "==", "open"),
        ("house/+", "", "contains", ""),
        ("house/state", "sensors.0.value", ">", "41"),
        ("house/long", "", "contains", "aaa"),
    ],
)
async def test_the_payload_is_what_assertions_see(check, server, topic, path, operator, expected):
    holds = Value(operator=Operator(operator), expected=expected)
    assert (await check(asking(server, topic, path=path, assertions=[holds]))).status is UP
    fails = Value(operator=Operator.EQUALS, expected="something else")
    assert (await check(asking(server, topic, path=path, assertions=[fails]))).status is DOWN


async def test_a_path_that_leads_nowhere_has_no_value(check, server):
    other = Value(operator=Operator.DIFFERS, expected="1")
    outcome = await check(asking(server, "house/state", path="sensors.1.value", assertions=[other]))
    assert (outcome.status, outcome.message) == (DOWN, "there is no value")


async def test_a_silent_topic_is_down_unless_no_message_is_expected(check, server):
    waiting = await check(asking(server, "house/empty"), timeout_ms=300)
    subscribing = await check(asking(server, "house/empty", wait_for_message=False))
    assert (waiting.status, waiting.code) == (DOWN, NO_ANSWER)
    assert (subscribing.status, subscribing.code) == (UP, CONNECTED)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"password": "wrong"}, "the broker refused the sign-in: not authorized"),
        ({"username": "", "password": ""}, "the broker refused the sign-in: not authorized"),
        ({"topic": "house/#/x"}, "the broker closed the connection"),
        ({"topic": "house/word", "path": "a"}, "the message is not JSON"),
    ],
)
async def test_a_refused_login_or_topic_or_an_invalid_payload_is_down(check, server, changes, message):
    outcome = await check(asking(server, **changes))
    assert (outcome.status, outcome.message) == (DOWN, message)


async def test_tls_is_verified_by_the_configured_authority_unless_errors_are_ignored(check, broker, server):
    ca = certificates.authority()[0].public_bytes(Encoding.PEM).decode()
    trusted = await check(asking(broker[1], tls=True, ca_cert=ca))
    strange = await check(asking(broker[1], tls=True))
    ignored = await check(asking(broker[1], tls=True, ignore_tls_errors=True))
    assert [trusted.status, strange.status, ignored.status] == [UP, DOWN, UP]
    assert strange.message.startswith("certificate not valid: ")


@pytest.mark.parametrize("topic", ["house/word", "house/long"])
async def test_a_message_comes_through_a_websocket_too(check, broker, server, topic):
    plain = await check(asking(broker[2], topic, websocket_path="/mqtt"), detailed=True)
    encrypted = await check(
        asking(broker[3], topic, websocket_path="/mqtt", tls=True, ca_cert=certificates.authority_pem()), detailed=True
    )
    assert [one.status for one in (plain, encrypted)] == [UP, UP], (plain.message, encrypted.message)
    assert plain.detail == encrypted.detail
    assert plain.detail["topic"] == topic
    if topic == "house/word":
        trusted = await check(asking(broker[3], topic, websocket_path="/mqtt", tls=True))
        assert trusted.status is UP  # by the tests' tools


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"password": "wrong"}, "the broker refused the sign-in: not authorized"),
        ({"topic": "house/#/x"}, "the broker closed the connection"),
    ],
)
async def test_a_refused_login_or_topic_over_a_websocket_is_down(check, broker, server, changes, message):
    outcome = await check(asking(broker[2], **{"websocket_path": "/mqtt", **changes}))
    assert (outcome.status, outcome.message) == (DOWN, message)


async def test_a_port_without_websockets_or_with_them_alone_is_down(check, broker, server):
    plain = await check(asking(broker[2]))
    inside = await check(asking(broker[0], websocket_path="/mqtt"))
    assert (plain.status, inside.status) == (DOWN, DOWN)
    assert "fault in Watchkeeper" not in plain.message + inside.message


async def test_the_path_and_the_subprotocol_are_sent(check):
    heads = []

    async def answer(reader, writer):
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    async with talking(answer) as port:
        outcome = await check(asking(port, websocket_path="/b/ws?key=1"))
    assert heads[0].startswith(b"GET /b/ws?key=1 HTTP/1.1\r\n")
    assert b"sec-websocket-protocol: mqtt\r\n" in heads[0].lower()
    assert (outcome.status, outcome.message) == (DOWN, "no WebSocket: the server answered 404")


async def test_a_retained_message_is_skipped_on_request(check, broker, server):
    kept = await check(asking(server, "house/word", ignore_retained=True), timeout_ms=500)
    assert (kept.status, kept.code) == (DOWN, NO_ANSWER)


@pytest.mark.parametrize("port", [0, 2])
async def test_a_message_that_is_sent_now_is_not_passed_over(check, broker, server, port):
    async def publish(stop):
        reader, writer = await asyncio.open_connection("127.0.0.1", broker[0])
        writer.write(mqtt.encode_connect("sending", "ada", "se same/#"))
        await mqtt.await_connack(reader)
        while not stop.is_set():
            writer.write(mqtt._encode_packet(0x30, mqtt._encode_text("house/word") + b"fresh"))
            await asyncio.sleep(0.05)
        writer.close()

    stop = asyncio.Event()
    sending = asyncio.create_task(publish(stop))
    changes = {"ignore_retained": True, "websocket_path": "/mqtt" if port else ""}
    outcome = await check(asking(broker[port], "house/word", **changes), detailed=True)
    stop.set()
    await sending
    assert (outcome.status, outcome.detail) == (UP, {"topic": "house/word", "value": "fresh"})


async def test_a_closed_port_is_down(check, free_port):
    assert (await check(asking(free_port))).message == "connection refused"


TAKEN_IN, SUBSCRIBED = b"\x20\2\0\0", b"\x90\3\0\1\0"


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], "the answer is not MQTT"),
        ([b"\x20\xff\xff\xff\x7f"], "the message is longer than 1 MB"),
        ([b"\x20\x80\x80\x80\x80\1"], "the answer is not MQTT"),
        ([b"\x20\2\0\3"], "the broker is not available"),
        ([b"\x20\2\0\x63"], "the broker refused the connection (99)"),
        ([TAKEN_IN, b"\x90\3\0\1\x80"], "the broker refused the subscription"),
        ([TAKEN_IN, SUBSCRIBED + b"\x30\3\xff\xffa"], "the answer is not MQTT"),
        ([TAKEN_IN, SUBSCRIBED + b"\x30"], "the broker closed the connection"),
    ],
)
async def test_a_hostile_answer_is_down(check, reply, message):
    async with sending(*reply, then_close=True) as port:
        outcome = await check(asking(port))
    assert (outcome.status, outcome.message) == (DOWN, message)


async def test_checks_go_nowhere_near_metadata(check):
    assert (await check(asking(80, host="169.254.169.254"))).status is UNKNOWN


async def test_a_corrupted_connection_is_no_internal_error(check, server):
    await survives(check, server, lambda port: asking(port, assertions=DIFFERS))
