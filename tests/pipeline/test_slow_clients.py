"""Slow clients against a real api process: they time out, and other clients do not wait."""

import socket
import time
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.either_engine

SLOW = 200
BEGUN = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    """Bodies have three seconds, and all come from one address."""
    return {**environ, "BODY_TIMEOUT": "3s", "RATE_LIMIT_AUTH": "0"}


@pytest.fixture
def home(spawn: Any, environ: dict[str, str]) -> str:
    """A running api process."""
    spawn("api")
    home = f"http://127.0.0.1:{environ['SERVER_PORT']}"
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            if httpx.get(f"{home}/ready").status_code == 200:
                return home
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the api did not start")


def test_slow_bodies_and_headers_block_no_other_client_and_bodies_time_out(home: str, environ: dict[str, str]) -> None:
    with ExitStack() as stack:
        bodies, headers = (
            [
                stack.enter_context(socket.create_connection(("127.0.0.1", int(environ["SERVER_PORT"])), 20))
                for _ in range(SLOW)
            ]
            for _ in range(2)
        )
        for body, header in zip(bodies, headers, strict=True):
            body.sendall(BEGUN)
            header.sendall(BEGUN[:30])
        assert [httpx.get(f"{home}/api/v1/version").status_code for _ in range(5)] == [200] * 5
        assert {body.recv(12) for body in bodies} == {b"HTTP/1.1 408"}


def fill(client: socket.socket) -> None:
    """Send headers of a megabyte."""
    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
    for _ in range(100):
        client.sendall(b"X-Filler: " + b"x" * 10_000 + b"\r\n")
        time.sleep(0.01)


def test_headers_that_are_too_long_are_not_gathered(home: str, environ: dict[str, str]) -> None:
    with (
        socket.create_connection(("127.0.0.1", int(environ["SERVER_PORT"])), 20) as client,
        pytest.raises(ConnectionError),
    ):
        fill(client)
    assert httpx.get(f"{home}/api/v1/version").status_code == 200
