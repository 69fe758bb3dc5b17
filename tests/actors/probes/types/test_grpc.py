"""Checks of gRPC servers."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from msgspec import ValidationError, convert

from schema.heartbeat_texts import ANSWERED
from schema.status import Status
from schema.targets import Grpc
from tests.actors.probes import certificates
from tests.actors.probes.changing_relay import survives
from tests.actors.probes.scripted_server import flooding, replying, saying, talking

UP, DOWN, UNKNOWN = Status.UP, Status.DOWN, Status.UNKNOWN
HEALTH = "grpc.health.v1.Health"
STATES = {"": "SERVING", "shop": "SERVING", "closed": "NOT_SERVING"}


@contextlib.asynccontextmanager
async def serving(*, tls: grpc.ServerCredentials | None = None, reflected: bool = True) -> AsyncIterator[int]:
    """A real server with health and reflection."""
    server = grpc.aio.server()
    healths = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(healths, server)
    if reflected:
        reflection.enable_server_reflection((HEALTH, reflection.SERVICE_NAME), server)
    port = server.add_secure_port("127.0.0.1:0", tls) if tls else server.add_insecure_port("127.0.0.1:0")
    await server.start()
    for service, status in STATES.items():
        await healths.set(service, health_pb2.HealthCheckResponse.ServingStatus.Value(status))
    try:
        yield port
    finally:
        await server.stop(None)


@contextlib.asynccontextmanager
async def answering(path: str, reply: bytes) -> AsyncIterator[int]:
    """A server that answers one method with these bytes, whatever they mean."""

    async def unary(request: bytes, call: Any) -> bytes:
        return reply

    async def stream(requests: Any, call: Any) -> AsyncIterator[bytes]:
        async for _ in requests:
            yield reply

    service, _, method = path.rpartition("/")
    streamed = "ServerReflection" in path
    handler: Any = (
        grpc.stream_stream_rpc_method_handler(stream) if streamed else grpc.unary_unary_rpc_method_handler(unary)
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


def at(port: int, **fields: Any) -> Grpc:
    return convert({"type": "grpc", "host": "127.0.0.1", "port": port, **fields}, Grpc)


@pytest.mark.parametrize(
    ("service", "expected_status", "message"),
    [
        ("", UP, ""),
        ("shop", UP, ""),
        ("closed", DOWN, "the server says NOT_SERVING"),
        ("other", DOWN, "the server knows no service of that name"),
    ],
)
async def test_a_server_reports_whether_it_serves(check, service, expected_status, message):
    async with serving() as port:
        outcome = await check(at(port, service=service), detailed=True)
    assert outcome.status is expected_status
    assert outcome.message.startswith(message)
    assert (outcome.code == ANSWERED) is (expected_status is UP)


@pytest.mark.parametrize(
    ("fields", "expected_status", "message"),
    [
        ({"body": '{"service": "shop"}', "keyword": "SERVING"}, UP, ""),
        ({"body": '{"service": "closed"}', "keyword": '"SERVING"'}, DOWN, "the keyword '\"SERVING\"' is not in the"),
        ({"keyword": "SERVING", "invert_keyword": True}, DOWN, "the keyword 'SERVING' is in the reply"),
        ({"assertions": [{"type": "value", "operator": "contains", "expected": "NOT"}]}, DOWN, "'{"),
        ({"body": '{"service": "other"}'}, DOWN, "the server knows no service of that name"),
        ({"body": '{"nothing": 1}'}, UNKNOWN, "the body does not fit grpc.health.v1.HealthCheckRequest"),
        ({"body": "no json"}, UNKNOWN, "the configuration can't be used: `body` is not JSON"),
        ({"method": f"{HEALTH}/Nothing"}, DOWN, f"the server has no method {HEALTH}/Nothing"),
        ({"method": "no.Such/Thing"}, DOWN, "the server does not describe no.Such"),
        ({"method": f"{HEALTH}/Watch"}, UNKNOWN, f"{HEALTH}.Watch is a stream"),
    ],
)
async def test_a_method_is_called_as_reflection_describes_it(check, fields, expected_status, message):
    async with serving() as port:
        outcome = await check(at(port, **{"method": f"{HEALTH}/Check", **fields}))
    assert outcome.status is expected_status
    assert outcome.message.startswith(message)


async def test_a_server_without_reflection_is_reported(check):
    async with serving(reflected=False) as port:
        outcome = await check(at(port, method=f"{HEALTH}/Check"))
    assert outcome.status is DOWN
    assert outcome.message.startswith("the server has no such service or method")


async def test_a_server_that_ends_a_call_at_once_is_understood_every_time(check):
    async with serving(reflected=False) as port:
        outcomes = [await check(at(port, method=f"{HEALTH}/Check")) for _ in range(500)]
    assert {one.message.partition(" (")[0] for one in outcomes} == {"the server has no such service or method"}


async def test_tls_is_verified(check, tmp_path):
    certificates.served(tmp_path, days=20)
    pem = (tmp_path / "leaf.pem").read_bytes()
    other = certificates.other_authority()[0].public_bytes(Encoding.PEM).decode()
    lasting = [{"type": "certificate_days", "min_days": 30}]
    async with serving(tls=grpc.ssl_server_credentials([(pem, pem)])) as port:
        right = await check(at(port, tls=True))
        soon = await check(at(port, tls=True, assertions=lasting))
        strange = await check(at(port, tls=True, ca_cert=other))
        plain = await check(at(port))
    assert (right.status, right.message) == (UP, "")
    assert (soon.status, soon.message) == (Status.DEGRADED, "the certificate ends in 20 days, before 30")
    assert strange.message.startswith("certificate not valid:")
    assert plain.status is DOWN


async def test_a_certificate_of_ours_lets_us_in_and_errors_can_be_ignored(check, tmp_path):
    certificates.served(tmp_path)
    pem = (tmp_path / "leaf.pem").read_bytes()
    cert, key = certificates.pair(tmp_path)
    ours = {"client_cert": cert, "client_key": key}
    roots = certificates.authority_pem().encode()
    async with serving(tls=grpc.ssl_server_credentials([(pem, pem)], roots, require_client_auth=True)) as port:
        known = await check(at(port, tls=True, **ours))
        untrusted = await check(at(port, tls=True))
        other = {"ca_cert": certificates.pem_of(certificates.other_authority()), **ours}
        refused = await check(at(port, tls=True, **other))
        lenient = await check(at(port, tls=True, ignore_tls_errors=True, **other))
    assert [one.status for one in (known, untrusted, refused, lenient)] == [UP, DOWN, DOWN, UP]


async def test_the_library_speaks_as_over_tls(check, tmp_path):
    reply: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tls = writer.get_extra_info("ssl_object")
        writer.write(SETTINGS)
        reply.append(tls.selected_alpn_protocol().encode())
        reply.append(await reader.readuntil(b"grpc-python"))

    context = certificates.served(tmp_path)
    context.set_alpn_protocols(["h2"])
    async with talking(listen, tls=context) as port:
        await check(at(port, tls=True))
    assert reply[0] == b"h2"
    assert b"\x83\x87" in reply[1]  # of HPACK's table: `:method: POST`, `:scheme: https`


@pytest.mark.parametrize("reply", [b"\xff\xff", b"\x08", b"\x0a\xff\xff\xff\xff\x0f"])
async def test_a_reply_that_can_not_be_read_is_down(check, reply):
    async with answering(f"{HEALTH}/Check", reply) as port:
        outcome = await check(at(port))
    assert (outcome.status, outcome.message) == (DOWN, "the reply can't be read")


async def test_an_unknown_status_is_down(check):
    async with answering(f"{HEALTH}/Check", b"\x08\x63") as port:
        outcome = await check(at(port))
    assert (outcome.status, outcome.message) == (DOWN, "the server says status 99")


async def test_a_reply_without_end_is_not_read(check):
    async with answering(f"{HEALTH}/Check", b"a" * 1_500_000) as port:
        outcome = await check(at(port))
    assert outcome.status is DOWN
    assert outcome.message.startswith("more than the limit, ours or the server's")


SETTINGS = b"\0\0\0\4\0\0\0\0\0"  # an empty frame of them, which is acknowledged


async def settings_without_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes none of the acknowledgements."""
    while not writer.is_closing():
        writer.write(SETTINGS * 1_000)
        await writer.drain()


async def test_an_endless_response_leaves_no_connection_open(check):
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    async with talking(settings_without_end) as port:
        await check(at(port), timeout_ms=300)  # which loads the library
        before = descriptors()
        outcomes = [await check(at(port), timeout_ms=300) for _ in range(5)]
        async with asyncio.timeout(20):
            while descriptors() > before + 1:
                await asyncio.sleep(0.01)
    assert {one.status for one in outcomes} == {DOWN}


CIRCLE = b"\x22\x0e\x0a\x0c" + b"\x0a\x04a.px" + b"\x1a\x04a.px"


@pytest.mark.parametrize("reply", [b"", b"\xff", CIRCLE, b"\x22\x04\x0a\x02\xff\xff"])
async def test_a_description_that_is_none_is_down(check, reply):
    async with answering("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", reply) as port:
        outcome = await check(at(port, method=f"{HEALTH}/Check"))
    assert outcome.status is DOWN
    assert "fault in Watchkeeper" not in outcome.message


@pytest.mark.parametrize("script", [saying(b""), replying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), flooding])
async def test_a_server_with_another_protocol_is_down(check, script):
    async with talking(script) as port:
        outcome = await check(at(port), timeout_ms=2_000)
    assert outcome.status is DOWN


async def test_a_silent_server_times_out(check):
    async with talking(saying(b"", then_hanging=True)) as port:
        outcome = await check(at(port), timeout_ms=500)
    assert (outcome.status, outcome.message) == (DOWN, "no answer within 0.5 s")


async def test_a_closed_port_is_down(check, free_port):
    outcome = await check(at(free_port))
    assert (outcome.status, outcome.message) == (DOWN, "connection refused")


@pytest.mark.parametrize("fields", [{"keyword": "a"}, {"body": "{}"}, {"method": "no method"}])
def test_inconsistent_or_invalid_fields_are_rejected(fields):
    with pytest.raises(ValidationError):
        at(50_051, **fields)


async def test_metadata_is_refused(check):
    assert (await check(Grpc(host="169.254.169.254", port=80))).status is UNKNOWN


FAILING = """
import asyncio
from actors.probes.types import grpc
from schema.targets import Grpc

async def hang_up(reader, writer):
    await reader.read(1_000)
    writer.write(b"\\x1b[31m caf\\xe9")
    writer.close()

async def main():
    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    target = Grpc(host="a", port=port, tls=True)
    async with grpc._channel(target, f"ipv4:127.0.0.1:{port}") as channel:
        await channel.unary_unary("/a/b")(b"", timeout=20)

try:
    asyncio.run(main())
except grpc.grpc.aio.AioRpcError as error:
    print(error.details())
"""


def test_a_failed_connection_prints_nothing_on_standard_error():
    done = subprocess.run([sys.executable, "-c", FAILING], capture_output=True, check=True)
    assert b"Failed parsing HTTP/2" in done.stdout
    assert done.stderr == b""


async def test_a_server_is_up_on_the_loop_of_workers_too(check_on_uvloop):
    async with serving() as port:
        assert (await check_on_uvloop(at(port))).status is UP


async def test_a_corrupted_connection_is_no_internal_error(check):
    async with serving() as port:
        await survives(check, port, at)
