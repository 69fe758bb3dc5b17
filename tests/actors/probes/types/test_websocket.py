"""Checks of a WebSocket, against a real server."""

import asyncio
import base64
import hashlib
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import serve

from schema.assertions import Value
from schema.heartbeat_texts import NO_ANSWER, heartbeat_text
from schema.proxies import ProxyConfig, ProxyProtocol
from schema.status import Status
from schema.targets import WebSocket
from tests.actors.probes import certificates
from tests.actors.probes.changing_relay import survives
from tests.actors.probes.servers_proxies import microsocks, tinyproxy
from tests.actors.probes.target import answering, redirecting, serving, silent

__all__ = ["microsocks", "tinyproxy"]

UP, DOWN, UNKNOWN = Status.UP, Status.DOWN, Status.UNKNOWN


async def echo(connection):
    async for message in connection:
        await connection.send("noise")
        await connection.send(message)


async def greet(connection):
    await connection.send("hello")
    await connection.wait_closed()


async def leave(connection):
    await connection.close(1008, "go away")


async def babble(connection):
    while True:
        await connection.send("a" * 60_000)


@asynccontextmanager
async def speaking(handler, *, tls=None, **options):
    async with serve(handler, "127.0.0.1", 0, ssl=tls, **options) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"{'wss' if tls else 'ws'}://127.0.0.1:{port}/live"


@pytest.mark.parametrize(
    ("handler", "fields", "expected_status", "message"),
    [
        (echo, {}, UP, "connected"),
        (greet, {"expect": "hell"}, UP, "answered"),
        (echo, {"send": '{"op": "ping"}', "expect": "ping"}, UP, "answered"),
        (greet, {"assertions": [Value(expected="hello")]}, UP, "answered"),
        (greet, {"assertions": [Value(expected="bye")]}, DOWN, "'hello' is not == 'bye'"),
        (leave, {"expect": "x"}, DOWN, "the connection was closed before 'x' came (1008 go away)"),
        (babble, {"expect": "x"}, DOWN, "'x' is not among the first messages"),
        (greet, {"subprotocol": "chat"}, DOWN, "the server did not choose the subprotocol chat"),
    ],
)
async def test_the_connection_and_expected_messages_decide_the_status(check, handler, fields, expected_status, message):
    async with speaking(handler) as url:
        outcome = await check(WebSocket(url=url, **fields))
    assert (outcome.status, outcome.message or heartbeat_text(outcome.code)) == (expected_status, message)


async def test_expected_text_is_awaited_until_the_timeout(check):
    async with speaking(greet) as url:
        outcome = await check(WebSocket(url=url, expect="bye"), timeout_ms=300)
    assert (outcome.status, outcome.code) == (DOWN, NO_ANSWER)


async def test_headers_and_the_subprotocol_arrive(check):
    heads = []

    async def note(connection):
        heads.append(connection.request.headers)

    async with speaking(note, subprotocols=["chat"]) as url:
        outcome = await check(WebSocket(url=url, headers={"X-Key": "s3cret"}, subprotocol="chat"), detailed=True)
    assert (outcome.status, outcome.detail) == (UP, {"subprotocol": "chat"})
    assert (heads[0]["X-Key"], heads[0]["Sec-WebSocket-Protocol"]) == ("s3cret", "chat")


@pytest.mark.parametrize(("days", "ignoring", "expected_status"), [(90, False, UP), (-1, False, DOWN), (-1, True, UP)])
async def test_a_certificate_is_verified_unless_its_errors_are_ignored(
    check, tmp_path, days, ignoring, expected_status
):
    async with speaking(echo, tls=certificates.served(tmp_path, days=days)) as url:
        outcome = await check(WebSocket(url=url, ignore_tls_errors=ignoring))
    assert outcome.status is expected_status


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("protocol", [ProxyProtocol.HTTP, ProxyProtocol.SOCKS5])
async def test_a_websocket_connects_through_a_proxy(check, tmp_path, tinyproxy, microsocks, protocol, tls):
    port = tinyproxy if protocol is ProxyProtocol.HTTP else microsocks
    proxy = ProxyConfig(protocol=protocol, host="127.0.0.1", port=port, username="ann", password="sesame")
    async with speaking(greet, tls=certificates.served(tmp_path) if tls else None) as url:
        outcome = await check(WebSocket(url=url, proxy_id="some", expect="hello"), proxy=proxy)
    assert outcome.status is UP, outcome


async def test_a_target_unreachable_for_its_proxy_is_down(check, tinyproxy, free_port):
    proxy = ProxyConfig(
        protocol=ProxyProtocol.HTTP, host="127.0.0.1", port=tinyproxy, username="ann", password="sesame"
    )
    refused = await check(WebSocket(url=f"ws://127.0.0.1:{free_port}/", proxy_id="some"), proxy=proxy)
    untrusted = ProxyConfig(protocol=ProxyProtocol.HTTP, host="127.0.0.1", port=tinyproxy)
    unknown = await check(WebSocket(url=f"ws://127.0.0.1:{free_port}/", proxy_id="some"), proxy=untrusted)
    assert (refused.status, unknown.status) == (DOWN, UNKNOWN)
    assert refused.message.startswith("the proxy could not reach it and answered 50")
    assert unknown.message.startswith("the proxy does not let us through: it answered 40")


async def test_an_https_proxy_carries_wss_only(check, free_port):
    proxy = ProxyConfig(protocol=ProxyProtocol.HTTPS, host="127.0.0.1", port=free_port)
    outcome = await check(WebSocket(url="ws://127.0.0.1:9/", proxy_id="some"), proxy=proxy)
    assert (outcome.status, outcome.message.partition(":")[0]) == (UNKNOWN, "an https proxy does not carry ws")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (answering(b"no", "404 Not Found"), "no WebSocket: the server answered 404"),
        (redirecting("http://169.254.169.254/"), "no WebSocket: the server answered 302"),
        (answering(b"", "101 Switching Protocols"), "no WebSocket: the handshake's answer does not fit"),
    ],
)
async def test_a_handshake_that_is_none_is_the_targets_failure(check, script, message):
    async with serving(script) as target:
        outcome = await check(WebSocket(url=target.url(scheme="ws")))
    assert (outcome.status, outcome.message) == (DOWN, message)


def shaking(after: bytes):
    """A script that completes the handshake and then sends some bytes."""

    async def script(head, writer):
        key = head.partition(b"Sec-WebSocket-Key: ")[2].split(b"\r\n")[0]
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        writer.write(f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode() + after)
        await writer.drain()
        await asyncio.sleep(0.2)

    return script


@pytest.mark.parametrize(
    "after",
    [
        b"\xff\xff garbage",
        b"\x81\x7f\x00\x00\x00\x02\x54\x0b\xe4\x00" + b"a" * 2_000_000,  # announces ten gigabytes
        b"\x81\x04\xff\xff\xff\xff",  # no UTF-8
        b"\x81",
        b"",
    ],
)
async def test_frames_that_are_none_end_the_check(check, after):
    async with serving(shaking(after)) as target:
        outcome = await check(WebSocket(url=target.url(scheme="ws"), expect="x"))
    assert outcome.status is DOWN
    assert outcome.message.startswith("the connection was closed before 'x' came")


async def test_a_server_that_is_silent_is_cut_off(check):
    async with serving(silent) as target:
        outcome = await check(WebSocket(url=target.url(scheme="ws")), timeout_ms=200)
    assert (outcome.status, outcome.message) == (DOWN, "no answer within 0.2 s")


async def test_cloud_metadata_is_refused(check):
    assert (await check(WebSocket(url="ws://169.254.169.254/"))).status is UNKNOWN


async def test_a_corrupted_connection_is_no_internal_error(check):
    async with speaking(greet) as url:
        port = int(url.rpartition(":")[2].removesuffix("/live"))
        await survives(check, port, lambda way: WebSocket(url=f"ws://127.0.0.1:{way}/", expect="hell"))
