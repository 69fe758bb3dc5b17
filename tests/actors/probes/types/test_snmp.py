"""Checks of a device over SNMP."""

import socket
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies
from msgspec import Struct, ValidationError, convert

from actors.probes.protocols import snmp_messages, snmp_usm
from actors.probes.protocols.ber import (
    NULL,
    OCTETS,
    SEQUENCE,
    element,
    integer,
    octets,
    oid,
    parse_elements,
    parse_integer,
)
from bench.ports import unused_port
from schema.assertions import Operator, Value
from schema.heartbeat_texts import ANSWERED, NO_ANSWER
from schema.status import Status
from schema.targets import Snmp
from tests.actors.probes.changing_relay import DIFFERS, survives
from tests.actors.probes.scripted_server import datagrams
from tests.actors.probes.server_processes import program, running

UP, DOWN, UNKNOWN = Status.UP, Status.DOWN, Status.UNKNOWN
NAME, CONTACT, UPTIME, OBJECT_ID = (f"1.3.6.1.2.1.1.{one}.0" for one in (5, 4, 3, 2))
LOAD = "1.3.6.1.4.1.2021.10.1.6.1"  # Net-SNMP's load, as an Opaque Float
LONGER = [
    (auth, priv)
    for auth in ("MD5", "SHA", "SHA-224", "SHA-256", "SHA-384", "SHA-512")
    for priv in ("AES-192", "AES-256", "AES-192-C", "AES-256-C")
]
MIB = """
agentaddress udp:127.0.0.1:{port}
rocommunity known
sysName shop
sysContact caf\u00e9
createUser shown MD5 authauth1
createUser weak MD5 authauth1 DES privpriv1
createUser strong SHA-512 authauth1 AES privpriv1
createUser usual SHA authauth1 AES privpriv1
createUser abroad SHA pässwört€ AES pässwört€ß
rouser shown auth
rouser weak priv
rouser strong priv
rouser usual priv
rouser abroad priv
""" + "\n".join(
    f"createUser {auth}.{priv} {auth} authauth1 {priv} privpriv1\nrouser {auth}.{priv} priv" for auth, priv in LONGER
)
USERS = [
    {"username": "shown", "auth_protocol": "md5"},
    {"username": "weak", "auth_protocol": "md5", "priv_protocol": "des"},
    {"username": "strong", "auth_protocol": "sha512", "priv_protocol": "aes"},
    {"username": "usual", "auth_protocol": "sha", "priv_protocol": "aes"},
    {
        "username": "abroad",
        "auth_protocol": "sha",
        "auth_password": "pässwört€",
        "priv_protocol": "aes",
        "priv_password": "pässwört€ß",
    },
]


class Server(Struct):
    """A Net-SNMP agent."""

    port: int


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Net-SNMP agent with a community and users."""
    snmpd, place, port = program("snmpd", "snmpd"), tmp_path_factory.mktemp("snmpd"), unused_port()
    (place / "snmpd.conf").write_text(MIB.format(port=port))
    command = [snmpd, "-f", "-Lo", "-C", "-c", str(place / "snmpd.conf"), f"--persistentDir={place}"]
    with running(command, place) as process:
        _until_ready(port, process, place / "out")
        yield Server(port)


def _until_ready(port, process, log) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as line:
        line.settimeout(0.2)
        line.connect(("127.0.0.1", port))
        for _ in range(100):
            assert process.poll() is None, log.read_text()
            try:
                line.send(snmp_messages.encode_message("2c", "known", snmp_messages.encode_get(1, NAME)))
                line.recv(1_000)
            except OSError:
                time.sleep(0.05)
            else:
                return
    pytest.fail(log.read_text())


def at(port: int, name: str = NAME, **fields: Any) -> Snmp:
    secrets = {
        field: password
        for field, password in (("auth_password", "authauth1"), ("priv_password", "privpriv1"))
        if field.replace("password", "protocol") in fields
    }
    version = {"version": "3"} if "username" in fields else {"community": "known"}
    return convert(
        {"type": "snmp", "host": "127.0.0.1", "port": port, "oid": name, **secrets, **version, **fields}, Snmp
    )


@pytest.mark.parametrize("version", ["1", "2c"])
async def test_an_object_is_read_with_a_community(check, server, version):
    outcome = await check(at(server.port, version=version), detailed=True)
    assert (outcome.status, outcome.code) == (UP, ANSWERED)
    assert outcome.detail == {"oid": NAME, "value": "shop"}


@pytest.mark.parametrize("user", USERS, ids=lambda user: user["username"])
async def test_an_object_is_read_as_a_user(check, server, user):
    outcome = await check(at(server.port, **user), detailed=True)
    assert (outcome.message, outcome.detail) == ("", {"oid": NAME, "value": "shop"})


@pytest.mark.parametrize(("auth", "priv"), LONGER)
async def test_longer_keys_are_made_as_net_snmp_makes_them(check, server, auth, priv):
    named = {"username": f"{auth}.{priv}", "auth_protocol": auth.replace("-", "").lower()}
    cipher = priv.replace("-", "").lower()
    right = await check(at(server.port, **named, priv_protocol=cipher), detailed=True)
    other = cipher.removesuffix("c") if cipher.endswith("c") else f"{cipher}c"
    is_long_enough = auth in {"SHA-256", "SHA-384", "SHA-512"} or (auth == "SHA-224" and "192" in priv)
    wrong = await check(at(server.port, **named, priv_protocol=other), timeout_ms=1_500)
    assert (right.message, right.detail) == ("", {"oid": NAME, "value": "shop"})
    assert (wrong.status is UP) is is_long_enough


async def test_an_opaque_float_is_a_number(check, server):
    low = [{"type": "value", "operator": "<", "expected": "1000"}, {"type": "value", "operator": ">=", "expected": "0"}]
    outcome = await check(at(server.port, LOAD, assertions=low), detailed=True)
    assert (outcome.status, outcome.message) == (UP, "")
    assert isinstance(outcome.detail["value"], float | int)


@pytest.mark.parametrize(
    ("name", "operator", "expected"),
    [(NAME, "==", "shop"), (CONTACT, "==", "café"), (UPTIME, ">=", "0"), (OBJECT_ID, "contains", "1.3.6.1.4.1.8072.3")],
)
async def test_values_compare_as_what_they_are(check, server, name, operator, expected):
    holds = [{"type": "value", "operator": operator, "expected": expected}]
    fails = [{"type": "value", "operator": "==", "expected": "something else"}]
    assert (await check(at(server.port, name, assertions=holds))).status is UP
    assert (await check(at(server.port, name, assertions=fails))).status is DOWN


@pytest.mark.parametrize("fields", [{"version": "1"}, {"version": "2c"}, USERS[0]])
async def test_an_object_that_is_not_there_is_down(check, server, fields):
    outcome = await check(at(server.port, "1.3.6.1.2.1.1.99.0", **fields))
    assert outcome.status is DOWN
    assert outcome.message.startswith("1.3.6.1.2.1.1.99.0: there is no such ")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"username": "nobody", "auth_protocol": "md5"}, "the device refuses us: unknown user"),
        (
            {**USERS[3], "auth_password": "guessed12"},
            "the device refuses us: wrong authentication password or protocol",
        ),
        ({"username": "usual"}, f"{NAME}: the device refuses: authorization error"),
        ({**USERS[3], "priv_password": "guessed12"}, "no answer to 3 requests"),
        ({"community": "guessed"}, "no answer to 3 requests"),
    ],
)
async def test_an_unauthorized_request_explains_itself(check, server, fields, message):
    outcome = await check(at(server.port, **fields), timeout_ms=1_500)
    assert outcome.status is DOWN
    assert outcome.message.startswith(message)


def reply(name=NAME, value=None, *, status=0, kind=snmp_messages.RESPONSE, version="2c"):
    """Answers every question of version 2c like this."""
    value = octets("shop") if value is None else value

    def answers(data):
        own = parse_elements(parse_elements(parse_elements(data)[0][1])[2][1])[0][1]
        binding = element(SEQUENCE, element(SEQUENCE, oid(name), value))
        pdu = element(kind, element(0x02, own), integer(status), integer(0), binding)
        return [snmp_messages.encode_message(version, "known", pdu)]

    return answers


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (reply(status=5), f"{NAME}: the device refuses: a general error"),
        (reply(status=99), f"{NAME}: the device refuses: error 99"),
        (reply(value=element(0x82)), f"{NAME}: the device has nothing more"),
        (reply(value=element(snmp_messages.ADDRESS, b"abc")), "the value can't be read"),
        (reply(value=element(0x02)), "the value can't be read"),
        (reply(version="1"), "no answer to 3 requests"),
        (reply(kind=snmp_messages.GET), "no answer to 3 requests"),
        (lambda data: [data], "no answer to 3 requests"),
        (lambda data: [b"", b"\x30\x80", b"\xff" * 9_000, data[:-1]], "no answer to 3 requests"),
        (lambda _: [b"\x30\x00"] * 200, "no answer to 3 requests"),
    ],
)
async def test_an_answer_that_is_none_is_down(check, answers, message):
    async with datagrams(answers) as port:
        outcome = await check(at(port), timeout_ms=1_500)
    assert outcome.status is DOWN
    assert outcome.message.startswith(message)
    assert (outcome.code == NO_ANSWER) == message.startswith("no answer")


async def test_an_unauthenticated_response_is_ignored(check):
    """A message without the user's code is no answer to a question that has one."""
    engine = snmp_usm.Engine(b"\x80\0\0\0\x01", 1, 1)

    def answers(data):
        ((_, inner),) = parse_elements(data)
        own = parse_integer(parse_elements(parse_elements(inner)[1][1])[0][1])
        binding = element(SEQUENCE, element(SEQUENCE, oid(NAME), octets("forged")))
        pdu = element(snmp_messages.RESPONSE, integer(1), integer(0), integer(0), binding)
        return [snmp_usm.encode_message(pdu, own, snmp_usm.SnmpUser(), engine)]

    async with datagrams(answers) as port:
        outcome = await check(at(port, **USERS[0]))
    assert (outcome.status, outcome.message) == (DOWN, "the answer is not to our question, or not authentic")


async def test_a_device_that_is_not_there_is_down(check):
    outcome = await check(at(unused_port()))
    assert (outcome.status, outcome.message) == (DOWN, "connection refused")


@given(strategies.binary(max_size=100))
def test_any_bytes_are_read_or_refused(data):
    for reading in (
        lambda: snmp_messages.parse_message("2c", data),
        lambda: snmp_usm.decode_message(data, 1, snmp_usm.SnmpUser()),
    ):
        with pytest.raises(ValueError, match=r".*"):
            reading()


@pytest.mark.parametrize(
    ("tag", "body", "value"),
    [
        (0x02, b"\xff", -1),
        (snmp_messages.COUNTER, b"\xff\xff\xff\xff", 4_294_967_295),
        (snmp_messages.COUNTER_64, b"\0" + b"\xff" * 8, 2**64 - 1),
        (snmp_messages.ADDRESS, b"\x7f\0\0\x01", "127.0.0.1"),
        (OCTETS, b"\0\x1b\x44", "00:1b:44"),
        (OCTETS, b"two\nlines", "two\nlines"),
        (NULL, b"", None),
        (snmp_messages.COUNTER, b"\xff", 255),
        (OCTETS, b"shop\0", "shop"),
        (OCTETS, b"\0\0", "00:00"),
        (OCTETS, b"", ""),
        (snmp_messages.GAUGE, b"\x00\x80\x00\x00\x00", 2**31),
        (snmp_messages.UINTEGER, b"\x07", 7),
        (snmp_messages.OPAQUE, bytes.fromhex("9f780440af0a3d"), Decimal("5.47")),
        (snmp_messages.OPAQUE, bytes.fromhex("9f7804c0af0a3d"), Decimal("-5.47")),
        (snmp_messages.OPAQUE, bytes.fromhex("9f780440af0800"), Decimal("5.4697266")),
        (snmp_messages.OPAQUE, bytes.fromhex("9f78047f7fffff"), Decimal("3.40282347e+38")),
        (snmp_messages.OPAQUE, bytes.fromhex("9f78047f800000"), Decimal("Infinity")),
        (snmp_messages.OPAQUE, bytes.fromhex("9f78047fc00000"), "NaN"),
        (snmp_messages.OPAQUE, bytes.fromhex("9f78043dcccccd"), Decimal("0.1")),
        (snmp_messages.OPAQUE, bytes.fromhex("9f79084015e147ae147ae1"), Decimal("5.47")),
        (snmp_messages.OPAQUE, bytes.fromhex("9f7a02ff38"), -200),
        (snmp_messages.OPAQUE, bytes.fromhex("9f7b0900ffffffffffffffff"), 2**64 - 1),
        (snmp_messages.OPAQUE, bytes.fromhex("9f7608ffffffffffffffff"), 2**64 - 1),
        (snmp_messages.OPAQUE, bytes.fromhex("9f780340af0a"), "9f:78:03:40:af:0a"),
        (snmp_messages.OPAQUE, b"\x04\x01a", "04:01:61"),
        (snmp_messages.OPAQUE, b"", ""),
    ],
)
def test_values_read_as_people_write_them(tag, body, value):
    assert snmp_messages.SnmpReply(snmp_messages.RESPONSE, 1, 0, NAME, tag, body).value == value


@pytest.mark.parametrize(
    "fields",
    [
        {"version": "3"},
        {"username": "a", "auth_protocol": "md5", "auth_password": ""},
        {"username": "a", "priv_protocol": "aes"},
        {"oid": "sysName.0"},
        {"oid": "1"},
        {"version": "2"},
    ],
)
def test_inconsistent_or_invalid_fields_are_rejected(fields):
    with pytest.raises(ValidationError):
        at(161, **fields)


async def test_metadata_is_refused(check):
    target = Snmp(host="169.254.169.254", oid=NAME, assertions=[Value(operator=Operator.EQUALS, expected="1")])
    assert (await check(target)).status is UNKNOWN


async def test_a_corrupted_connection_is_no_internal_error(check, server):
    await survives(
        check,
        server.port,
        lambda port: at(port, assertions=DIFFERS),
        udp=True,
    )
    await survives(check, server.port, lambda port: at(port, **USERS[-1]), udp=True)
