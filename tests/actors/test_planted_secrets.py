"""A secret in every secret field is in nothing that checks and senders say, whatever the other side repeats of it."""

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
from tests.actors.senders import given
from tests.planted import Planted, places, planted

WATCHED = [place for place in places() if place[0] in TARGETS]
SENT_OPENLY = {("http", "headers"), ("http", "auth.bearer.token"), ("website", "headers"), ("websocket", "headers")} | {
    ("redis", "password"),
    ("mail", "password"),
    ("http", "auth.basic.password"),
    ("redis", "connection_string"),
}  # the parrot has something to repeat
TOLD = [place for place in places() if place[0] in PROVIDERS]


@contextlib.asynccontextmanager
async def parrot(heard: list[bytes]) -> AsyncIterator[int]:
    """A server that repeats what it hears, in the ways that HTTP, SMTP and Redis refuse. Keeps it in `heard`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            word = await _first_word(reader, writer)
            while word:
                heard.append(word)
                writer.write(answer_to(word))
                await writer.drain()
                word = await reader.read(65_536)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield int(server.sockets[0].getsockname()[1])
    server.close()
    await asyncio.sleep(0)


async def _first_word(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """What a client says; who waits for a greeting gets one."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.3):
            return await reader.read(65_536)
    writer.write(b"220 hello\r\n")
    return await reader.read(65_536)


def answer_to(word: bytes) -> bytes:
    said = word.replace(b"\r\n", b" ")[:4_000]
    if b"HTTP/1.1" in word:
        return http_of(said)
    if word.startswith(b"EHLO"):
        return b"250-hello\r\n250 AUTH PLAIN LOGIN\r\n"
    return (b"535 5.7.8 " if word.startswith(b"AUTH") else b"-ERR ") + said + b"\r\n"


def http_of(said: bytes) -> bytes:
    return (
        b"HTTP/1.1 400 Bad "
        + said[:200]
        + b"\r\nX-Heard: "
        + said
        + b"\r\nLocation: http://127.0.0.1:9/?"
        + said[:100]
        + b"\r\nContent-Length: "
        + str(len(said)).encode()
        + b"\r\n\r\n"
        + said
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
    one, heard = planted(*place, tmp_path), list[bytes]()
    tools = await probes.open_probe_context(store)
    async with parrot(heard) as port:
        said = "\n".join([await seen(one, tools, there) for there in (port, 9)])
    await tools.close()
    assert [form for form in forms_of(one.secret) if form in said] == []
    assert place not in SENT_OPENLY or any(form.encode() in b"".join(heard) for form in forms_of(one.secret))


async def seen(one: Planted, tools: probes.ProbeContext, port: int) -> str:
    target: Target = msgspec.convert(at_port(one, port), TARGETS[one.type])
    snapshot = make.snapshot(target, timeout_ms=2_000)
    return msgspec.json.encode(await probes.run_probe(make.slot(), snapshot, tools, detailed=True)).decode()


@pytest.mark.parametrize("place", TOLD, ids=".".join)
async def test_no_sender_error_contains_its_secret(tmp_path: Path, place: tuple[str, str]) -> None:
    one, tools, said, heard = planted(*place, tmp_path), make_context(), list[str](), list[bytes]()
    async with parrot(heard) as port:
        for there in (port, 9):
            config: ChannelConfig = msgspec.convert(at_port(one, there), PROVIDERS[one.type])
            with pytest.raises(DeliveryError) as failed:
                await senders.send(config, given.message(), tools, timeout_s=10)
            said.append(failed.value.reason)
    await tools.close()
    assert [form for form in forms_of(one.secret) if form in "\n".join(said)] == []
    assert heard
