"""Checks of time servers."""

import socket
import time
from collections.abc import Iterator

import pytest

from bench.ports import unused_port
from schema.assertions import FailureStatus, Operator, Value
from schema.heartbeat_texts import ANSWERED, NO_ANSWER
from schema.status import Status
from schema.targets import Ntp
from tests.actors.probes.changing_relay import survives
from tests.actors.probes.protocols.test_ntp_packet import packet
from tests.actors.probes.scripted_server import datagrams
from tests.actors.probes.server_processes import program, running

UP, DOWN, DEGRADED, UNKNOWN = Status.UP, Status.DOWN, Status.DEGRADED, Status.UNKNOWN


def chrony(place, port, *directives) -> list[str]:
    """A command that serves time from `place`, and never touches this machine's clock (`-x`)."""
    usual = (f"port {port}", "bindaddress 127.0.0.1", "allow 127.0.0.1", "cmdport 0", f"pidfile {place}/pid")
    (place / "chrony.conf").write_text("\n".join((*usual, "bindcmdaddress /", *directives)) + "\n")
    return [program("chronyd", "chrony"), "-x", "-d", "-U", "-f", str(place / "chrony.conf")]


def until_it_serves(port, server, log) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as line:
        line.settimeout(0.1)
        line.connect(("127.0.0.1", port))
        for _ in range(100):
            assert server.poll() is None, log.read_text()
            try:
                line.send(b"\x23" + b"\0" * 47)
                line.recv(100)
            except OSError:
                time.sleep(0.05)
            else:
                return
    pytest.fail(log.read_text())


def serving(place, *directives) -> Iterator[int]:
    port = unused_port()
    with running(chrony(place, port, *directives), place) as server:
        until_it_serves(port, server, place / "out")
        yield port


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[int]:
    """A chrony that holds its own clock for true."""
    yield from serving(tmp_path_factory.mktemp("chrony"), "local stratum 3")


@pytest.fixture(scope="module")
def lost(tmp_path_factory) -> Iterator[int]:
    """A chrony without any source."""
    yield from serving(tmp_path_factory.mktemp("lost"))


def at(port, **fields) -> Ntp:
    return Ntp(host="127.0.0.1", port=port, **fields)


async def test_a_synchronised_server_is_up_and_the_offset_is_the_value(check, server):
    near = Value(operator=Operator.LESS, expected="1000")
    outcome = await check(at(server, max_offset=1_000, assertions=[near]), detailed=True)
    assert (outcome.status, outcome.code, outcome.detail["stratum"]) == (UP, ANSWERED, 3)


async def test_a_server_that_does_not_know_the_time_is_down(check, lost):
    outcome = await check(at(lost))
    assert (outcome.status, outcome.message) == (DOWN, "the server doesn't know the time itself: not synchronised")


def replying(**fields):
    """Answers every question as a server whose clock is an hour ahead."""
    ahead_s = fields.pop("ahead_s", 3_600)
    return lambda data: [packet(time.time() + ahead_s, cookie=data[40:48], **fields)]


@pytest.mark.parametrize(
    ("failure_status", "expected_status"), [(FailureStatus.DEGRADED, DEGRADED), (FailureStatus.DOWN, DOWN)]
)
@pytest.mark.parametrize("ahead_s", [3_600, -3_600])
async def test_clocks_that_differ_are_reported(check, failure_status, expected_status, ahead_s):
    async with datagrams(replying(ahead_s=ahead_s)) as port:
        near = await check(at(port, max_offset=5_000_000))
        far = await check(at(port, max_offset=500, failure_status=failure_status))
    assert near.status is UP
    assert far.status is expected_status
    assert far.message == f"its clock and ours differ by {abs(far.detail['offset_ms']):.7g} ms, more than 500 ms"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"stratum": 0, "reference": b"RATE"}, "the server refuses us: RATE"),
        ({"stratum": 0, "reference": b"\0\xff\n\0"}, "the server doesn't know the time itself: not synchronised"),
        ({"stratum": 16}, "the server doesn't know the time itself: not synchronised"),
        ({"flags": 0xE4}, "the server doesn't know the time itself: not synchronised"),
    ],
)
async def test_a_server_that_refuses_is_down(check, fields, message):
    async with datagrams(replying(**fields)) as port:
        outcome = await check(at(port))
    assert (outcome.status, outcome.message) == (DOWN, message)


@pytest.mark.parametrize(
    "answers",
    [
        lambda _: [],
        lambda _: [b"", b"\xff" * 47, b"\0" * 2_000],
        lambda data: [data],
        lambda _: [packet(time.time(), cookie=b"\0" * 8)] * 100,
    ],
)
async def test_invalid_or_unmatched_responses_are_ignored(check, answers):
    async with datagrams(answers) as port:
        outcome = await check(at(port), timeout_ms=1_500)
    assert (outcome.status, outcome.code, outcome.message) == (DOWN, NO_ANSWER, "no answer to 3 requests")


async def test_a_lost_packet_is_sent_again(check):
    requests = []

    def forgetful(data):
        requests.append(data[40:48])
        return replying(ahead_s=0)(data) if len(requests) == 2 else []

    async with datagrams(forgetful) as port:
        outcome = await check(at(port), timeout_ms=1_000)
    assert outcome.status is UP
    assert len(set(requests)) == 2


async def test_a_closed_port_is_down(check):
    outcome = await check(at(unused_port()))
    assert (outcome.status, outcome.message) == (DOWN, "connection refused")


async def test_metadata_is_refused(check):
    assert (await check(Ntp(host="169.254.169.254"))).status is UNKNOWN


async def test_a_corrupted_connection_is_no_internal_error(check, server):
    await survives(check, server, lambda port: at(port, max_offset=1_000), udp=True)
