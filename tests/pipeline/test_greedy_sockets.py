"""Endless WebSocket messages against a real api process: they are cut off, and memory stays bounded."""

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import httpx
import psutil  # type: ignore[import-untyped]  # it has no types
import pytest

from app.api.live.connection_limits import UNAUTHENTICATED_PER_ADDRESS

pytestmark = pytest.mark.either_engine

TOKEN = "the-installations-own-token-of-this-test"
MEGABYTE = 1_048_576
SENT_MB = 45  # by each of four; the server itself ends a message at 64
PACE_S = 0.02  # for each of them: how much comes between two looks must not depend on how fast a machine sends
HANDSHAKE = (
    "GET /api/v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{}\r\n"
)
SIGNED_IN = f"Authorization: Bearer {TOKEN}\r\n"
TEXT, CONTINUED, FINAL = 1, 0, 0x80


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return {**environ, "API_ADMIN_TOKEN": TOKEN, "LIVE_SOCKETS_PER_ADDRESS": "12", "LIVE_SOCKETS_PER_USER": "9"}


@pytest.fixture
def api(spawn: Any, environ: dict[str, str]) -> psutil.Process:
    """A running api process."""
    process = psutil.Process(spawn("api").pid)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            if httpx.get(f"http://127.0.0.1:{environ['SERVER_PORT']}/ready").status_code == 200:
                return process
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the api did not start")


@contextmanager
def opened(environ: dict[str, str], headers: str = "") -> Iterator[socket.socket]:
    """A socket after its handshake."""
    with socket.create_connection(("127.0.0.1", int(environ["SERVER_PORT"])), 30) as client:
        client.sendall(HANDSHAKE.format(headers).encode())
        yield client


def status_of(client: socket.socket) -> int:
    answer = b""
    while b"\r\n\r\n" not in answer and (part := client.recv(1)):
        answer += part
    return int(answer.split()[1])


def frame(opcode: int, payload: bytes) -> bytes:
    """As clients send them, masked with zeros."""
    n = len(payload)
    size = struct.pack("!BQ", 0x80 | 127, n) if n > 0xFFFF else struct.pack("!BH", 0x80 | 126, n)
    return bytes([opcode]) + size + bytes(4) + payload


def read_to_end(client: socket.socket) -> bytes:
    """Whatever else comes until the connection is closed."""
    client.settimeout(60)
    received = b""
    try:
        while part := client.recv(65_536):
            received += part
    except ConnectionError:
        return received
    return received


ENDLESS = {
    "fragments": [frame(TEXT, b"a" * MEGABYTE), *[frame(CONTINUED, b"a" * MEGABYTE)] * (SENT_MB - 1)],
    "one frame": [frame(TEXT | FINAL, b"a" * 16_000_000)[:MEGABYTE]],
}


@pytest.mark.parametrize("headers", ["", SIGNED_IN])
@pytest.mark.parametrize("kind", ENDLESS)
def test_a_message_without_an_end_is_cut_off(
    api: psutil.Process, environ: dict[str, str], headers: str, kind: str
) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(opened(environ, headers)) for _ in range(4)]
        assert [status_of(client) for client in clients] == [101] * 4
        before = api.memory_info().rss
        for client in clients:
            with suppress(ConnectionError):  # it was cut off while we were sending
                for part in ENDLESS[kind]:
                    client.sendall(part)
                    time.sleep(PACE_S)
        assert [read_to_end(client) for client in clients] == [b""] * 4  # no word of the sign-in's limit
        grown = api.memory_info().rss - before
    assert httpx.get(f"http://127.0.0.1:{environ['SERVER_PORT']}/api/v1/health").status_code == 200
    assert grown < SENT_MB * MEGABYTE  # all of it would be four times as much


@pytest.mark.usefixtures("api")
def test_sockets_per_address_and_unauthenticated_sockets_are_limited(environ: dict[str, str]) -> None:
    with ExitStack() as stack:

        def one(headers: str) -> socket.socket:
            return stack.enter_context(opened(environ, headers))

        unauthenticated = [one("") for _ in range(UNAUTHENTICATED_PER_ADDRESS)]
        assert {status_of(client) for client in unauthenticated} == {101}
        late = one("")
        assert status_of(late) == 101
        assert b"not signed in" in read_to_end(late)
        signed_in = [one(SIGNED_IN) for _ in range(7)]
        assert {status_of(client) for client in signed_in} == {101}
        assert status_of(one("")) == 403  # twelve of this address are open
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:  # all have left
        with opened(environ, SIGNED_IN) as again:
            if status_of(again) == 101:
                return
    raise AssertionError("sockets that left are counted still")


@pytest.mark.usefixtures("api")
def test_a_user_has_so_many_sockets(environ: dict[str, str]) -> None:
    with ExitStack() as stack:
        signed_in = [stack.enter_context(opened(environ, SIGNED_IN)) for _ in range(9)]
        assert {status_of(client) for client in signed_in} == {101}
        late = stack.enter_context(opened(environ, SIGNED_IN))
        assert status_of(late) == 101
        assert b"The limit of 9 WebSockets per user is reached." in read_to_end(late)
