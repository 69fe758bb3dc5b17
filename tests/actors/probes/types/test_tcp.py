"""Checks of a TCP port, and of its response."""

import asyncio
import tracemalloc

import pytest
import redis
from msgspec.structs import replace

from schema.assertions import CertificateDays, Operator, Value
from schema.heartbeat_texts import ANSWERED, CONNECTED, NO_ANSWER
from schema.status import Status
from schema.targets import Tcp
from tests.actors.probes import certificates
from tests.actors.probes.scripted_server import flooding, saying, talking

UP, DOWN, DEGRADED = Status.UP, Status.DOWN, Status.DEGRADED


async def echoing(reader, writer):
    writer.write(await reader.readline())
    await writer.drain()


@pytest.fixture
async def cache(valkey, free_port):
    """A port of the tests' own Valkey."""
    with redis.Redis.from_url(valkey) as client:
        client.config_set("port", free_port)
        yield free_port
        client.config_set("port", 0)


async def test_a_real_server_sends_what_is_expected(check, cache):
    outcome = await check(Tcp(host="127.0.0.1", port=cache, send="PING\r\n", expect="+PONG"), detailed=True)
    other = await check(Tcp(host="127.0.0.1", port=cache, send="NONSENSE\r\n", expect="+PONG"), timeout_ms=4_000)
    assert (outcome.status, outcome.code) == (UP, ANSWERED)
    assert outcome.detail == {"address": "127.0.0.1", "answer": "+PONG\r\n"}
    assert (other.status, other.message) == (DOWN, "'+PONG' is not in the answer")
    assert other.detail["answer"].startswith("-ERR")


async def test_without_an_expectation_a_connection_is_enough(check):
    async with talking(saying(b"hello")) as port:
        outcome = await check(Tcp(host="127.0.0.1", port=port), detailed=True)
    assert (outcome.status, outcome.code, outcome.detail) == (UP, CONNECTED, {"address": "127.0.0.1"})


async def test_a_closed_port_is_down(check, free_port):
    for target in (Tcp(host="127.0.0.1", port=free_port), Tcp(host="127.0.0.1", port=free_port, expect="x")):
        outcome = await check(target)
        assert (outcome.status, outcome.message) == (DOWN, "connection refused")


async def test_expected_text_in_several_segments_is_found(check):
    async def in_pieces(reader, writer):
        for piece in (b"220 re", b"a", b"dy\r\n"):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)
        await reader.read()

    async with talking(in_pieces) as port:
        outcome = await check(Tcp(host="127.0.0.1", port=port, expect="ready"))
    assert outcome.status is UP


@pytest.mark.parametrize(
    ("script", "timeout_ms", "message"),
    [
        (saying(b""), 30_000, "the connection was closed without an answer"),
        (saying(b"421 too busy", then_hanging=True), 2_000, "'220' is not in the answer"),
        (saying(b"", then_hanging=True), 300, "no answer within 0.3 s"),
        (saying(b"\xff\xfe\x00"), 30_000, "'220' is not in the answer"),
    ],
)
async def test_every_kind_of_response_has_its_own_message(check, script, timeout_ms, message):
    async with talking(script) as port:
        outcome = await check(Tcp(host="127.0.0.1", port=port, expect="220"), timeout_ms=timeout_ms)
    assert (outcome.status, outcome.message) == (DOWN, message)
    assert (outcome.code == NO_ANSWER) == message.startswith("no answer")


async def test_an_answer_without_end_is_read_as_far_as_a_megabyte(check):
    async with talking(flooding) as port:
        tracemalloc.start()
        outcome = await check(Tcp(host="127.0.0.1", port=port, expect="needle"))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert (outcome.status, outcome.message) == (DOWN, "'needle' is not in the answer")
    assert peak < 12_000_000


@pytest.mark.parametrize(
    ("pieces", "target", "expected_status"),
    [
        ([b"count", b" 42\n"], {"assertions": [Value(operator=Operator.CONTAINS, expected="42")]}, UP),
        ([b"count ", b"4", b"2\n"], {"assertions": [Value(operator=Operator.MATCHES, expected="^count 42\\n$")]}, UP),
        ([b"220 ", b"mx ready", b" ok\n"], {"expect": "220", "assertions": [Value(expected="220 mx ready ok\n")]}, UP),
        ([b"caf\xc3", b"\xa9"], {"assertions": [Value(expected="caf\u00e9")]}, UP),
        ([b"count", b" 41\n"], {"assertions": [Value(operator=Operator.CONTAINS, expected="42")]}, DOWN),
    ],
)
@pytest.mark.parametrize("is_open", [False, True])
async def test_an_answer_in_pieces_is_read_until_it_holds(check, pieces, target, expected_status, is_open):
    """Each piece is sent when the one before was read: nothing depends on how long that takes."""

    async def script(reader, writer):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.05)
        if is_open:
            await reader.read()

    async with talking(script) as port:
        outcome = await check(
            Tcp(host="127.0.0.1", port=port, **target), timeout_ms=30_000 if expected_status is UP else 1_500
        )
    assert outcome.status is expected_status


async def test_a_server_that_sends_single_bytes_is_judged_at_the_end(check):
    """More of them than are looked at one by one: all of them count all the same."""

    async def script(reader, writer):
        for _ in range(5_000):
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(b"!")

    async with talking(script) as port:
        ended = Value(operator=Operator.MATCHES, expected="^a{1000}a*!$")
        outcome = await check(Tcp(host="127.0.0.1", port=port, assertions=[ended]))
    assert (outcome.status, outcome.message) == (UP, "")


@pytest.mark.parametrize(("sent", "expected_status"), [("7\n", UP), ("12\n", DOWN)])
async def test_the_answer_is_a_value_to_compare(check, sent, expected_status):
    fewer = Value(operator=Operator.LESS, expected="10")
    async with talking(echoing) as port:
        outcome = await check(Tcp(host="127.0.0.1", port=port, send=sent, assertions=[fewer]))
    assert outcome.status is expected_status


@pytest.mark.parametrize(
    ("days", "address", "message"),
    [
        (90, "127.0.0.1", ""),
        (-1, "127.0.0.1", "certificate not valid: certificate has expired"),
        (90, "127.0.0.2", "certificate not valid: IP address mismatch"),
    ],
)
async def test_a_certificate_is_verified_unless_its_errors_are_ignored(check, tmp_path, days, address, message):
    served = certificates.served(tmp_path, days=days, address=address)
    async with talking(echoing, tls=served) as port:
        target = Tcp(host="127.0.0.1", port=port, send="hello\n", expect="hello", tls=True)
        strict = await check(target)
        lenient = await check(replace(target, ignore_tls_errors=True))
    assert strict.status is (DOWN if message else UP)
    assert strict.message.startswith(message)
    assert lenient.status is UP


@pytest.mark.parametrize(("days", "expected_status"), [(30, UP), (29, DEGRADED)])
async def test_a_certificate_may_have_to_last(check, tmp_path, days, expected_status):
    async with talking(saying(b""), tls=certificates.served(tmp_path, days=days)) as port:
        target = Tcp(host="127.0.0.1", port=port, tls=True, assertions=[CertificateDays(min_days=30)])
        assert (await check(target)).status is expected_status


async def test_a_server_that_speaks_no_tls_is_down(check):
    async with talking(saying(b"220 plain as day\r\n", then_hanging=True)) as port:
        outcome = await check(Tcp(host="127.0.0.1", port=port, tls=True))
    assert outcome.status is DOWN
    assert outcome.message.startswith("TLS failed:")


async def test_metadata_is_refused_with_expected_text(check):
    outcome = await check(Tcp(host="169.254.169.254", port=80, send="GET / HTTP/1.0\r\n\r\n", expect="200"))
    assert outcome.status is Status.UNKNOWN
    assert outcome.message.endswith("refused")
