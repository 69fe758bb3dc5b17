"""Checks of a real RabbitMQ: the health of its nodes, and a sign-in."""

import json

import msgspec
import pytest
from pamqp import commands, frame

from bench.ports import unused_port
from schema.heartbeat_texts import ANSWERED, NO_ANSWER
from schema.status import Status
from schema.targets import Rabbitmq
from tests.actors.probes.changing_relay import survives
from tests.actors.probes.scripted_server import sending
from tests.actors.probes.server_processes import (
    a_place,
    as_unprivileged_user,
    program,
    running,
    writable_by_unprivileged_user,
)
from tests.actors.probes.target import answering, redirecting, serving

UP, DOWN, UNKNOWN = Status.UP, Status.DOWN, Status.UNKNOWN
SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"  # what Debian puts before it wants root


@pytest.fixture(scope="module")
def broker():
    """A node with the management plugin; its AMQP port and its management address."""
    program("rabbitmq-server", "rabbitmq-server")
    with a_place() as place:
        yield from _served(place, unused_port(), unused_port())


def _served(place, port, management):
    """The node, made and started; Erlang's port mapper is a process of ours, or it would stay behind."""
    mapper, distribution = unused_port(), unused_port()
    (place / "plugins").write_text("[rabbitmq_management].")
    (place / "definitions.json").write_text(
        json.dumps(
            {
                "users": [{"name": "ada", "password": "se same/#", "tags": "monitoring"}],
                "vhosts": [{"name": "/"}],
                "permissions": [{"user": "ada", "vhost": "/", "configure": "", "write": "", "read": ""}],
            }
        )
    )
    (place / "conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{port}\nmanagement.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {management}\n"
        f"load_definitions = {place / 'definitions.json'}\ndisk_free_limit.absolute = 1MB\n"
    )
    writable_by_unprivileged_user(place)
    environ = {
        "HOME": str(place),
        "RABBITMQ_NODENAME": f"n{port}@localhost",
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_CONFIG_FILE": str(place / "conf"),
        "RABBITMQ_MNESIA_BASE": str(place / "data"),
        "RABBITMQ_LOG_BASE": str(place / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(place / "plugins"),
        "RABBITMQ_PID_FILE": str(place / "pid"),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(mapper),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1 -kernel inet_dist_use_interface {127,0,0,1}",
    }
    mapping = as_unprivileged_user(program("epmd", "erlang-base"), "-port", str(mapper), "-address", "127.0.0.1")
    with running(mapping, place, mapper), running(as_unprivileged_user(SERVER), place, port, management, **environ):
        yield port, f"http://127.0.0.1:{management}"


def asking(broker, **changes):
    port, node = broker
    usual = {"nodes": [node], "host": "127.0.0.1", "port": port, "username": "ada", "password": "se same/#"}
    return Rabbitmq(**{**usual, **changes})


async def test_a_broker_without_an_alarm_that_takes_the_sign_in_is_up(check, broker):
    outcome = await check(asking(broker), detailed=True)
    assert (outcome.status, outcome.code, outcome.detail) == (UP, ANSWERED, {"node": broker[1]}), outcome.message


async def test_each_of_the_two_can_be_checked_alone(check, broker, free_port):
    assert (await check(asking(broker, host=""))).status is UP
    assert (await check(asking(broker, nodes=[]))).status is UP
    assert (await check(asking(broker, nodes=[], port=free_port))).message == "connection refused"


async def test_one_reachable_node_is_enough(check, broker, free_port):
    gone = f"http://127.0.0.1:{free_port}"
    assert (await check(asking(broker, nodes=[gone, broker[1]]))).status is UP
    outcome = await check(asking(broker, nodes=[gone]))
    assert (outcome.status, outcome.message) == (DOWN, f"{gone}: connection refused")


async def test_a_wrong_password_or_virtual_host_is_down(check, broker):
    wrong = await check(asking(broker, nodes=[], password="wrong"))
    absent = await check(asking(broker, nodes=[], virtual_host="shop"))
    outside = await check(asking(broker, host="", password="wrong"))
    assert [wrong.status, absent.status, outside.status] == [DOWN] * 3
    assert wrong.message.startswith(("the server answered: ACCESS_REFUSED", "the server refused the sign-in"))
    assert absent.message.startswith("the server answered: NOT_ALLOWED - vhost shop not found")
    assert outside.message.startswith(f"{broker[1]}: ")


async def test_a_node_with_an_alarm_is_down_with_its_message(check):
    body = json.dumps({"status": "failed", "reason": "resource alarm(s) in effect", "alarms": []}).encode()
    async with serving(answering(body, "503 Service Unavailable")) as node:
        outcome = await check(Rabbitmq(nodes=[node.url("")], username="ada"))
    assert (outcome.status, outcome.message) == (DOWN, f"{node.url('')}: resource alarm(s) in effect")
    assert node.heads[0].startswith("GET /api/health/checks/alarms HTTP/1.1")


async def test_a_redirect_of_a_node_is_not_followed(check):
    async with serving(redirecting("http://169.254.169.254/")) as node:
        outcome = await check(Rabbitmq(nodes=[node.url("")], username="ada"))
    assert (outcome.status, outcome.message) == (DOWN, f"{node.url('')}: 302 Found")
    assert len(node.heads) == 1


START = frame.marshal(commands.Connection.Start(0, 9, {}, "PLAIN", "en_US"), 0)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], "the answer is not AMQP"),
        ([b"AMQP\0\0\x09\1"], "the answer is not AMQP"),
        ([b"\1\0\0\xff\xff\xff\xff"], "the answer is not AMQP"),
        ([b"\1\0\0\0\0\0\4\0\x0a\0\x0a\xce"], "the answer is not AMQP"),
        ([START, START], "the answer is not AMQP"),
        ([START], "the server refused the sign-in"),
        ([b""], "the connection was closed without an answer"),
    ],
)
async def test_a_hostile_answer_is_down(check, reply, message):
    async with sending(*reply, then_close=True) as port:
        outcome = await check(Rabbitmq(host="127.0.0.1", port=port, username="ada"))
    assert (outcome.status, outcome.message) == (DOWN, message)


async def test_a_silent_server_is_down(check):
    async with sending() as port:
        outcome = await check(Rabbitmq(host="127.0.0.1", port=port, username="ada"), timeout_ms=150)
    assert (outcome.status, outcome.code) == (DOWN, NO_ANSWER)


@pytest.mark.parametrize("where", [{"host": "169.254.169.254"}, {"nodes": ["http://169.254.169.254"]}])
async def test_checks_go_nowhere_near_metadata(check, where):
    assert (await check(Rabbitmq(username="ada", **where))).status is UNKNOWN


def test_at_least_one_of_the_two_is_required():
    with pytest.raises(msgspec.ValidationError, match="needs `nodes`"):
        msgspec.convert({"username": "ada"}, Rabbitmq)


async def test_a_corrupted_connection_is_no_internal_error(check, broker):
    await survives(check, broker[0], lambda port: asking((port, ""), nodes=[]))
