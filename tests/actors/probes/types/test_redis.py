"""Checks with one read-only command to a real Valkey."""

import msgspec
import pytest
import redis as client
from cryptography.hazmat.primitives.serialization import Encoding

from app import embedded_valkey
from bench.ports import unused_port
from schema.assertions import CertificateDays, FailureStatus, Operator, Value
from schema.heartbeat_texts import ANSWERED, NO_ANSWER
from schema.status import Status
from schema.targets import Redis
from tests.actors.probes import certificates
from tests.actors.probes.changing_relay import DIFFERS, survives
from tests.actors.probes.scripted_server import behind_tls, sending
from tests.actors.probes.server_processes import running

UP, DOWN, UNKNOWN = Status.UP, Status.DOWN, Status.UNKNOWN


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A Valkey with a password, a user of its own and two keys; its port."""
    place, port = tmp_path_factory.mktemp("redis"), unused_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--requirepass", "se same/#", "--save", ""]
    with running([str(embedded_valkey.find_binary()), *options], place, port):
        with client.Redis(port=port, password="se same/#", db=3) as filling:
            filling.rpush("jobs", "a", "b", "c")
            filling.acl_setuser(
                "ada", enabled=True, passwords=["+plugh"], categories=["+@read", "+@connection"], keys=["*"]
            )
        yield port


def asking(port, command="PING", **changes):
    return Redis(**{"host": "127.0.0.1", "port": port, "command": command, "password": "se same/#", **changes})


async def test_a_server_that_answers_is_up(check, server):
    outcome = await check(asking(server), detailed=True)
    assert (outcome.status, outcome.code, outcome.detail) == (UP, ANSWERED, {"command": "PING", "value": "PONG"})


@pytest.mark.parametrize(("command", "value"), [("LLEN jobs", "3"), ("LINDEX jobs 1", "b"), ("ROLE", "master")])
async def test_the_reply_is_what_assertions_see(check, server, command, value):
    holds = await check(asking(server, command, database=3, assertions=[Value(expected=value)]))
    fails = await check(asking(server, command, assertions=[Value(operator=Operator.DIFFERS, expected=value)]))
    assert holds.status is UP
    assert (fails.status is DOWN) is (command == "ROLE")


async def test_a_connection_string_sets_every_field(check, server):
    target = Redis(connection_string=f"redis://ada:plugh@127.0.0.1:{server}/3", command="LLEN jobs")
    outcome = await check(target, detailed=True)
    assert (outcome.status, outcome.detail) == (UP, {"command": "LLEN jobs", "value": 3})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"password": "wrong"}, "the server refused the sign-in: WRONGPASS"),
        ({"password": ""}, "the server refused the command: NOAUTH"),
        ({"database": 99}, "the server refused the database: ERR"),
        ({"command": "LLEN"}, "the server refused the command: ERR wrong number"),
    ],
)
async def test_a_refusal_is_down_with_the_server_s_message(check, server, changes, message):
    outcome = await check(asking(server, **changes))
    assert outcome.status is DOWN
    assert outcome.message.startswith(message)


async def test_a_closed_port_is_down(check, free_port):
    outcome = await check(asking(free_port))
    assert (outcome.status, outcome.message) == (DOWN, "connection refused")


async def test_tls_is_verified_by_the_configured_authority_unless_errors_are_ignored(check, server, tmp_path):
    ca = certificates.authority()[0].public_bytes(Encoding.PEM).decode()
    async with behind_tls(server, certificates.served(tmp_path)) as port:
        lasting = CertificateDays(min_days=80, failure_status=FailureStatus.DOWN)
        trusted = await check(asking(port, tls=True, ca_cert=ca, assertions=[lasting]))
        strange = await check(asking(port, tls=True))
        ignored = await check(asking(port, tls=True, ignore_tls_errors=True))
        unreadable = await check(asking(port, tls=True, ca_cert="nonsense"))
    assert [trusted.status, strange.status, ignored.status, unreadable.status] == [UP, DOWN, UP, UNKNOWN]
    assert strange.message.startswith("certificate not valid: ")


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "the answer is not Redis's protocol"),
        (b"*1000000000\r\n", "the answer has more than 10000 elements"),
        (b"*1\r\n" * 50, "the answer is not Redis's protocol"),
        (b"$1000000000\r\n", "the answer is longer than 1 MB"),
        (b"+" + b"a" * 200_000, "the answer is not Redis's protocol"),
        (b":1_0x\r\n", "the answer is not Redis's protocol"),
        (b"$5\r\nab", "the connection was closed without an answer"),
    ],
)
async def test_a_hostile_answer_is_down(check, reply, message):
    async with sending(reply, then_close=True) as port:
        outcome = await check(asking(port))
    assert (outcome.status, outcome.message) == (DOWN, message)


async def test_a_silent_server_is_down(check):
    async with sending() as port:
        outcome = await check(asking(port), timeout_ms=150)
    assert (outcome.status, outcome.code) == (DOWN, NO_ANSWER)


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1/",
        "redis://127.0.0.1:x/",
        "redis://[/",
        "redis://127.0.0.1/?sentinel=1",
        "redis://127.0.0.1:1/x",
    ],
)
async def test_a_connection_string_that_can_not_be_read_is_unknown(check, server, text):
    outcome = await check(Redis(connection_string=text.replace(":1/", f":{server}/")))
    assert outcome.status is UNKNOWN


async def test_checks_go_nowhere_near_metadata(check):
    assert (await check(asking(80, host="169.254.169.254"))).status is UNKNOWN


@pytest.mark.parametrize("command", ["SET a 1", "FLUSHALL", "EVAL x 0", "DEBUG SLEEP 9", "CONFIG GET *", "  "])
def test_a_command_that_could_change_data_is_refused(command):
    with pytest.raises(msgspec.ValidationError, match="`command` must begin with"):
        msgspec.convert({"host": "a.test", "command": command}, Redis)


def test_the_address_is_required_exactly_once():
    for config in ({}, {"host": "a.test", "connection_string": "redis://a.test"}):
        with pytest.raises(msgspec.ValidationError, match="needs either"):
            msgspec.convert(config, Redis)


async def test_a_corrupted_connection_is_no_internal_error(check, server):
    await survives(
        check,
        server,
        lambda port: asking(port, "LINDEX jobs 0", assertions=DIFFERS, database=3),
    )
