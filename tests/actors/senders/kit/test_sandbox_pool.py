"""The processes that Apprise runs in: one message at a time, shared by many, killed when late, gone when idle."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.apprise_sandbox.protocol import Answer, Broken, Call, Done, Order, framed, length_of, read
from actors.senders import send
from actors.senders.kit.context import Tools
from actors.senders.kit.errors import Undelivered
from actors.senders.kit.sandbox_pool import Cages
from schema.channels import Apprise
from tests.actors.senders import given
from tests.receiver import Order as Answering, Receiver

ORDER = Order("custom_json", "json://example.org/x", "Shop is down", "no answer", "failure")


async def fine(_: Call) -> Answer:
    return Answer(200, [], b"{}")


@pytest.fixture
async def some() -> AsyncIterator[Cages]:
    made = Cages()
    yield made
    made.close()


def processes(made: Cages) -> list[int]:
    return [one._process.pid for one in (*made._idle, *made._busy)]


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def surroundings(pid: int) -> tuple[bytes, set[str]]:
    """A process's environment, and where its descriptors lead."""
    about = Path(f"/proc/{pid}")
    return about.joinpath("environ").read_bytes(), {one.readlink().name for one in about.joinpath("fd").iterdir()}


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(20):
        while not is_gone(pid):
            await asyncio.sleep(0.02)


async def test_a_process_has_no_environment_and_no_descriptor_but_its_line(
    some: Cages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_SECRET_KEY", "sesame")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    await some.carry_out(ORDER, fine)
    (pid,) = processes(some)
    environ, leads = surroundings(pid)
    assert environ == b""
    assert {one.partition(":")[0] for one in leads} == {"null", "socket"}
    assert len([one for one in leads if one.startswith("socket")]) == 1


async def test_one_process_serves_many_messages(some: Cages) -> None:
    assert (await some.carry_out(ORDER, fine)).sent
    first = processes(some)
    assert [(await some.carry_out(ORDER, fine)).sent for _ in range(3)] == [True] * 3
    assert processes(some) == first


async def test_a_used_up_process_makes_room_for_a_new_one() -> None:
    brief = Cages(uses=1)
    assert [(await brief.carry_out(ORDER, fine)).sent for _ in range(2)] == [True, True]
    assert processes(brief) == []
    brief.close()


async def test_a_process_that_is_late_is_killed_and_the_next_message_gets_another(some: Cages) -> None:
    asked = asyncio.Event()

    async def hang(_: Call) -> Answer:
        asked.set()
        await asyncio.sleep(60)
        return Answer(200)

    late = asyncio.create_task(some.carry_out(ORDER, hang))
    await asked.wait()
    (pid,) = processes(some)
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late
    assert is_gone(pid)
    assert (await some.carry_out(ORDER, fine)).sent


async def test_a_process_that_dies_is_a_message_that_is_tried_again(some: Cages) -> None:
    async def murder(_: Call) -> Answer:
        for one in some._busy:
            one._process.kill()
        return Answer(200)

    with pytest.raises(Undelivered, match="the process that runs Apprise broke off") as failed:
        await some.carry_out(ORDER, murder)
    assert not failed.value.permanent
    assert (await some.carry_out(ORDER, fine)).sent


async def test_nobody_waits_for_a_service_that_hangs() -> None:
    two, asked, release = Cages(most=2), asyncio.Event(), asyncio.Event()

    async def hang(_: Call) -> Answer:
        asked.set()
        await release.wait()
        return Answer(200)

    late = asyncio.create_task(two.carry_out(ORDER, hang))
    await asked.wait()
    assert (await two.carry_out(ORDER, fine)).sent
    assert not late.done()
    release.set()
    assert (await late).sent
    two.close()


async def test_a_quiet_night_needs_no_process() -> None:
    brief = Cages(kept_s=0.05)
    await brief.carry_out(ORDER, fine)
    (pid,) = processes(brief)
    await until_gone(pid)
    assert processes(brief) == []


async def test_a_process_ends_with_the_one_that_started_it(some: Cages) -> None:
    await some.carry_out(ORDER, fine)
    (cage,) = some._idle
    assert cage._line
    cage._line[1].close()
    async with asyncio.timeout(20):
        while cage._process.poll() is None:
            await asyncio.sleep(0.02)
    assert cage._process.returncode == 0


async def test_the_limit_of_a_send_ends_everything(receiver: Receiver, tools: Tools) -> None:
    receiver.answer(Answering(hang=True))
    port = receiver.url.rpartition(":")[2]
    hung = Apprise(url=f"json://127.0.0.1:{port}/x")
    sending = asyncio.create_task(send(hung, given.message(), tools, limit_s=3))
    with pytest.raises(Undelivered, match="no answer within 3 s") as failed:
        await sending
    assert not failed.value.permanent
    assert processes(tools.cages) == []


@pytest.mark.parametrize("bad", [b"\xff", b"\x80", b"\x81\xa4type\xa4Nope", b""])
def test_what_is_no_frame_is_not_taken(bad: bytes) -> None:
    with pytest.raises(Broken):
        read(bad)


def test_frames_are_bounded_both_ways() -> None:
    with pytest.raises(Broken):
        framed(Answer(200, [], bytes(3_000_000)))
    with pytest.raises(Broken):
        length_of(b"\xff\xff\xff\xff")
    raw = framed(Done(sent=True))
    assert length_of(raw[:4]) == len(raw) - 4
    assert read(raw[4:]) == Done(sent=True)
