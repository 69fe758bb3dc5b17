"""Apprise's sandbox processes: one message at a time, reused, killed when late, stopped when idle."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.apprise_sandbox.protocol import (
    FormattedText,
    SandboxHttpRequest,
    SandboxHttpResponse,
    SandboxProtocolError,
    SendRequest,
    SendResult,
    decode_frame,
    encode_frame,
    frame_length,
)
from actors.senders import send
from actors.senders.kit.context import SenderContext
from actors.senders.kit.errors import DeliveryError
from actors.senders.kit.sandbox_pool import SandboxPool
from schema.channels import Apprise
from tests.actors.senders import sample_messages
from tests.receiver import Order, Receiver

ORDER = SendRequest(
    "custom_json",
    "json://example.org/x",
    "failure",
    "Shop is down",
    {"text": FormattedText("Shop is down", "no answer")},
)


async def fine(_: SandboxHttpRequest) -> SandboxHttpResponse:
    return SandboxHttpResponse(200, [], b"{}")


@pytest.fixture
async def some() -> AsyncIterator[SandboxPool]:
    made = SandboxPool()
    yield made
    made.close()


def processes(made: SandboxPool) -> list[int]:
    return [one._process.pid for one in (*made._idle, *made._busy)]


def has_exited(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def surroundings(pid: int) -> tuple[bytes, set[str]]:
    """A process's environment, and where its descriptors lead."""
    about = Path(f"/proc/{pid}")
    return about.joinpath("environ").read_bytes(), {one.readlink().name for one in about.joinpath("fd").iterdir()}


async def until_exited(pid: int) -> None:
    async with asyncio.timeout(20):
        while not has_exited(pid):
            await asyncio.sleep(0.02)


async def test_a_process_has_no_environment_and_no_descriptor_but_its_line(
    some: SandboxPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_SECRET_KEY", "sesame")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    await some.send(ORDER, fine)
    (pid,) = processes(some)
    environ, leads = surroundings(pid)
    assert environ == b""
    assert {one.partition(":")[0] for one in leads} == {"null", "socket"}
    assert len([one for one in leads if one.startswith("socket")]) == 1


async def test_one_process_serves_many_messages(some: SandboxPool) -> None:
    assert (await some.send(ORDER, fine)).sent
    first = processes(some)
    assert [(await some.send(ORDER, fine)).sent for _ in range(3)] == [True] * 3
    assert processes(some) == first


async def test_a_process_stops_after_its_maximum_uses() -> None:
    brief = SandboxPool(max_uses=1)
    assert [(await brief.send(ORDER, fine)).sent for _ in range(2)] == [True, True]
    assert processes(brief) == []
    brief.close()


async def test_a_process_that_is_late_is_killed_and_the_next_message_gets_another(some: SandboxPool) -> None:
    requested = asyncio.Event()

    async def hang(_: SandboxHttpRequest) -> SandboxHttpResponse:
        requested.set()
        await asyncio.sleep(60)
        return SandboxHttpResponse(200)

    late = asyncio.create_task(some.send(ORDER, hang))
    await requested.wait()
    (pid,) = processes(some)
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late
    assert has_exited(pid)
    assert (await some.send(ORDER, fine)).sent


async def test_a_process_that_dies_is_a_message_that_is_tried_again(some: SandboxPool) -> None:
    async def murder(_: SandboxHttpRequest) -> SandboxHttpResponse:
        for one in some._busy:
            one._process.kill()
        return SandboxHttpResponse(200)

    with pytest.raises(DeliveryError, match="the process that runs Apprise broke off") as failed:
        await some.send(ORDER, murder)
    assert not failed.value.permanent
    assert (await some.send(ORDER, fine)).sent


async def test_a_hanging_service_does_not_block_others() -> None:
    two, requested, release = SandboxPool(max_processes=2), asyncio.Event(), asyncio.Event()

    async def hang(_: SandboxHttpRequest) -> SandboxHttpResponse:
        requested.set()
        await release.wait()
        return SandboxHttpResponse(200)

    late = asyncio.create_task(two.send(ORDER, hang))
    await requested.wait()
    assert (await two.send(ORDER, fine)).sent
    assert not late.done()
    release.set()
    assert (await late).sent
    two.close()


async def test_idle_processes_are_stopped() -> None:
    brief = SandboxPool(idle_timeout_s=0.05)
    await brief.send(ORDER, fine)
    (pid,) = processes(brief)
    await until_exited(pid)
    assert processes(brief) == []


async def test_a_process_ends_with_the_one_that_started_it(some: SandboxPool) -> None:
    await some.send(ORDER, fine)
    (cage,) = some._idle
    assert cage._streams
    cage._streams[1].close()
    async with asyncio.timeout(20):
        while cage._process.poll() is None:
            await asyncio.sleep(0.02)
    assert cage._process.returncode == 0


async def test_the_timeout_of_a_send_ends_its_process(receiver: Receiver, context: SenderContext) -> None:
    receiver.answer(Order(hang=True))
    port = receiver.url.rpartition(":")[2]
    hung = Apprise(url=f"json://127.0.0.1:{port}/x")
    sending = asyncio.create_task(send(hung, sample_messages.message(), context, timeout_s=3))
    with pytest.raises(DeliveryError, match="no answer within 3 s") as failed:
        await sending
    assert not failed.value.permanent
    assert processes(context.sandboxes) == []


@pytest.mark.parametrize("bad", [b"\xff", b"\x80", b"\x81\xa4type\xa4Nope", b""])
def test_invalid_frames_are_rejected(bad: bytes) -> None:
    with pytest.raises(SandboxProtocolError):
        decode_frame(bad)


def test_frames_are_bounded_both_ways() -> None:
    with pytest.raises(SandboxProtocolError):
        encode_frame(SandboxHttpResponse(200, [], bytes(3_000_000)))
    with pytest.raises(SandboxProtocolError):
        frame_length(b"\xff\xff\xff\xff")
    raw = encode_frame(SendResult(sent=True))
    assert frame_length(raw[:4]) == len(raw) - 4
    assert decode_frame(raw[4:]) == SendResult(sent=True)
