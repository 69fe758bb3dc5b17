"""No secret appears in the output of checks and senders, even when the other side repeats it."""

import asyncio
import contextlib
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest

from actors import probes, senders
from actors.senders import DeliveryError
from actors.senders.kit.context import make_context
from app.settings import Settings
from schema.channels import PROVIDERS, ChannelConfig
from schema.targets import TARGETS, Target
from tests import make
from tests.actors.senders import sample_messages
from tests.planted import Planted, places, planted

WATCHED = [place for place in places() if place[0] in TARGETS]
SENT_OPENLY = {("http", "headers"), ("http", "auth.bearer.token"), ("website", "headers"), ("websocket", "headers")} | {
    ("redis", "password"),
    ("mail", "password"),
    ("http", "auth.basic.password"),
    ("redis", "connection_string"),
}  # the parrot has something to repeat
SENDERS = [place for place in places() if place[0] in PROVIDERS]


@contextlib.asynccontextmanager
async def parrot(received: list[bytes]) -> AsyncIterator[int]:
    """A server that repeats each request in a refusal, as HTTP, SMTP and Redis do; appends them to `received`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            request = await first_request(reader, writer)
            while request:
                received.append(request)
                writer.write(answer_to(request))
                await writer.drain()
                request = await reader.read(65_536)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield int(server.sockets[0].getsockname()[1])
    server.close()
    await asyncio.sleep(0)


async def first_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The first request; sends a greeting to a client that waits for one."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.3):
            return await reader.read(65_536)
    writer.write(b"220 hello\r\n")
    return await reader.read(65_536)


def answer_to(request: bytes) -> bytes:
    output = request.replace(b"\r\n", b" ")[:4_000]
    if b"HTTP/1.1" in request:
        return http_of(output)
    if request.startswith(b"EHLO"):
        return b"250-hello\r\n250 AUTH PLAIN LOGIN\r\n"
    return (b"535 5.7.8 " if request.startswith(b"AUTH") else b"-ERR ") + output + b"\r\n"


def http_of(output: bytes) -> bytes:
    return (
        b"HTTP/1.1 400 Bad "
        + output[:200]
        + b"\r\nX-Heard: "
        + output
        + b"\r\nLocation: http://127.0.0.1:9/?"
        + output[:100]
        + b"\r\nContent-Length: "
        + str(len(output)).encode()
        + b"\r\n\r\n"
        + output
    )


def at_port(one: Planted, port: int) -> dict[str, object]:
    """The config, led to that port of this machine."""
    moved = msgspec.json.encode(one.config).replace(b"127.0.0.1:9", f"127.0.0.1:{port}".encode())
    moved = moved.replace(b'"port":9', f'"port":{port}'.encode())
    config: dict[str, object] = msgspec.json.decode(moved)
    return config | ({"port": port} if "port" in config else {})


def forms_of(secret: str) -> list[str]:
    """How a secret may look on its way back."""
    basic, plain = (b64encode(pair.encode()).decode() for pair in (f"ann:{secret}", f"\0ann\0{secret}"))
    return [secret, quote(secret, safe=""), b64encode(secret.encode()).decode(), basic, plain]


@pytest.mark.either_engine
@pytest.mark.usefixtures("queue")
@pytest.mark.parametrize("place", WATCHED, ids=".".join)
async def test_no_check_result_contains_its_secret(store: Settings, tmp_path: Path, place: tuple[str, str]) -> None:
    one, received = planted(*place, tmp_path), list[bytes]()
    context = await probes.open_probe_context(store)
    async with parrot(received) as port:
        output = "\n".join([await check_message(one, context, there) for there in (port, 9)])
    await context.close()
    assert [form for form in forms_of(one.secret) if form in output] == []
    assert place not in SENT_OPENLY or any(form.encode() in b"".join(received) for form in forms_of(one.secret))


async def check_message(one: Planted, context: probes.ProbeContext, port: int) -> str:
    target: Target = msgspec.convert(at_port(one, port), TARGETS[one.type])
    snapshot = make.snapshot(target, timeout_ms=2_000)
    return msgspec.json.encode(await probes.run_probe(make.slot(), snapshot, context, detailed=True)).decode()


@pytest.mark.parametrize("place", SENDERS, ids=".".join)
async def test_no_sender_error_contains_its_secret(tmp_path: Path, place: tuple[str, str]) -> None:
    one, context, output, received = planted(*place, tmp_path), make_context(), list[str](), list[bytes]()
    async with parrot(received) as port:
        for there in (port, 9):
            config: ChannelConfig = msgspec.convert(at_port(one, there), PROVIDERS[one.type])
            with pytest.raises(DeliveryError) as failed:
                await senders.send(config, sample_messages.message(), context, timeout_s=10)
            output.append(failed.value.reason)
    await context.close()
    assert [form for form in forms_of(one.secret) if form in "\n".join(output)] == []
    assert received
