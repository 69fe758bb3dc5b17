"""Hostile targets get none of our memory, time or credentials."""

import asyncio
import gzip
import tracemalloc
from pathlib import Path

import pytest

from actors.probes.kit.bounded_body import READ_LIMIT_BYTES
from schema.heartbeat_texts import NO_ANSWER
from schema.status import Status
from schema.targets import Http, Tcp
from tests.actors.probes.target import answering, dripping, flooding, redirecting, serving, silent

UP, DOWN, UNKNOWN = Status.UP, Status.DOWN, Status.UNKNOWN
MEGABYTE = 1_048_576


async def garbage(head, writer):
    writer.write(b"\x16\x03\x01 what is this\r\n\r\n")


async def half(head, writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


async def wide(head, writer):
    writer.write(b"HTTP/1.1 200 OK\r\nX-Wide: " + b"a" * 20 * MEGABYTE)
    await writer.drain()


async def many(head, writer):
    writer.write(b"HTTP/1.1 200 OK\r\n" + b"X-Many: 1\r\n" * 100_000 + b"\r\n")
    await writer.drain()


async def gone(head, writer):
    writer.transport.abort()


async def dripping_body(head, writer):
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1\r\na\r\n")
        await asyncio.sleep(0.01)


async def empty_members(head, writer):
    """A gzip stream that never ends and has no content."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n")
    while not writer.is_closing():
        writer.write(gzip.compress(b"") * 1_000)
        await writer.drain()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (garbage, "the answer is not HTTP as it should be"),
        (wide, "the answer is not HTTP as it should be"),
        (many, "the answer is not HTTP as it should be"),
        (half, "the body broke off"),
        (gone, "the connection was closed without an answer"),
    ],
)
async def test_an_answer_that_is_none_is_the_targets_failure(check, script, message):
    async with serving(script) as target:
        outcome = await check(Http(url=target.url(), keyword="ok"))
    assert outcome.status is DOWN
    assert outcome.message.startswith(message)
    assert len(outcome.message) <= 500


@pytest.mark.parametrize(
    ("script", "timeout_ms", "message"),
    [
        (silent, 200, "no answer within 0.2 s"),
        (dripping, 200, "no answer within 0.2 s"),
        (dripping_body, 2_000, "the answer did not end within 2 s"),  # its headers must arrive
    ],
)
async def test_a_slow_response_times_out(check, script, timeout_ms, message):
    async with serving(script) as target:
        outcome = await check(Http(url=target.url(), keyword="ok"), timeout_ms=timeout_ms)
    assert (outcome.status, outcome.code, outcome.message) == (DOWN, NO_ANSWER, message)


async def test_a_target_that_hangs_up_is_requested_once(check):
    async with serving(gone) as target:
        await check(Http(url=target.url()))
    assert len(target.heads) == 1


@pytest.mark.parametrize(("keyword", "expected_status"), [("", UP), ("aaa", UP), ("b", DOWN)])
async def test_ten_gigabytes_are_read_as_far_as_a_megabyte(check, keyword, expected_status):
    async with serving(flooding) as target:
        tracemalloc.start()
        outcome = await check(Http(url=target.url(), keyword=keyword))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert outcome.status is expected_status
    assert peak < 12 * MEGABYTE


async def test_a_gzip_bomb_unfolds_to_a_megabyte(check):
    bomb = gzip.compress(b"a" * 300 * MEGABYTE)
    async with serving(answering(bomb, headers="Content-Encoding: gzip\r\n")) as target:
        tracemalloc.start()
        outcome = await check(Http(url=target.url(), keyword="b"))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert (outcome.status, outcome.message) == (DOWN, "the keyword 'b' is not in the body")
    assert peak < 12 * MEGABYTE


async def test_an_endless_compressed_stream_ends(check):
    async with serving(empty_members) as target:
        outcome = await check(Http(url=target.url(), keyword="b"))
    assert (outcome.status, outcome.message) == (DOWN, "the body is packed in too many pieces")


async def test_a_page_that_is_packed_in_some_pieces_is_read(check):
    pieces = b"".join(gzip.compress(b"%d " % number) for number in range(500))
    async with serving(answering(pieces, headers="Content-Encoding: gzip\r\n")) as target:
        assert (await check(Http(url=target.url(), keyword=" 498 499 "))).status is UP


@pytest.mark.parametrize(("interims", "expected_status"), [(0, UP), (3, UP), (50, UP), (51, DOWN), (100_000, DOWN)])
async def test_interim_responses_are_limited(check, interims, expected_status):
    async def script(head, writer):
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * interims)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()

    async with serving(script) as target:
        outcome = await check(Http(url=target.url(), keyword="ok"))
    assert outcome.status is expected_status
    assert outcome.message == (
        "" if expected_status is UP else "the answer is not HTTP as it should be: too many interim answers"
    )


async def test_keywords_beyond_the_limit_are_not_searched(check):
    async with serving(answering(b"a" * READ_LIMIT_BYTES + b"needle")) as target:
        assert (await check(Http(url=target.url(), keyword="needle"))).status is DOWN


async def test_cloud_metadata_is_refused(check):
    direct = await check(Http(url="http://169.254.169.254/latest/meta-data/"))
    tcp = await check(Tcp(host="0xA9FEA9FE", port=80))
    async with serving(redirecting("http://[::ffff:a9fe:a9fe]/latest/")) as target:
        led = await check(Http(url=target.url()))
    assert (direct.status, tcp.status, led.status) == (UNKNOWN, UNKNOWN, DOWN)
    assert "is a cloud metadata address" in direct.message
    assert led.message.startswith("redirected to a place where checks don't go")


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_checks_that_are_cut_off_leave_no_socket_behind(check):
    async with serving(silent) as target:
        await check(Http(url=target.url()), timeout_ms=50)
        before = open_files()
        await asyncio.gather(*(check(Http(url=target.url()), timeout_ms=50) for _ in range(30)))
        target.hang_up()
        async with asyncio.timeout(20):
            while open_files() > before:
                await asyncio.sleep(0.01)
