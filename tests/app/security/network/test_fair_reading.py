"""Incoming data is read in pieces: all of it, in order, and with turns for other connections."""

import asyncio

import aiohttp
import pytest
from aiohttp.http_exceptions import HttpProcessingError

from app.security.network.fair_reading import MAX_RESPONSE_BYTES, PIECE_BYTES, FairResponseHandler
from app.security.network.response_reader import MAX_INTERIMS

HINT = b"HTTP/1.1 103 Early Hints\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


class Peer(asyncio.Transport):
    """The other end, which notes whether it may send."""

    paused = closed = False

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


@pytest.fixture
async def intake() -> FairResponseHandler:
    made = FairResponseHandler(asyncio.get_running_loop())
    made.connection_made(Peer())
    made.set_response_params(read_until_eof=True)
    return made


async def turns_until(intake: FairResponseHandler) -> int:
    """How many turns others had until all of it was read."""
    turns = 0
    while intake._unread:
        await asyncio.sleep(0)
        turns += 1
    return turns


async def test_a_long_response_is_read_in_pieces_while_the_peer_is_paused(intake):
    flood = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 20_000 + b"0\r\n\r\n"
    intake.data_received(flood)
    assert len(intake._buffer) == 0
    assert intake.transport.paused
    assert await turns_until(intake) >= len(flood) // PIECE_BYTES
    assert not intake.transport.paused
    _, payload = await intake.read()
    assert await payload.read() == b"a" * 20_000


async def test_a_body_in_pieces_is_whole_and_in_order(intake):
    body = b"".join(b"%07d " % number for number in range(20_000))
    intake.data_received(HEAD % len(body) + body[:100_000])
    intake.data_received(body[100_000:])
    _, payload = await intake.read()
    assert await payload.read() == body


async def test_the_end_comes_after_what_came_before_it(intake):
    intake.data_received(b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 50_000)
    intake.connection_lost(None)
    _, payload = await intake.read()
    assert len(await payload.read()) == 50_000


async def test_data_left_after_closing_the_connection_is_discarded(intake):
    intake.data_received(b"X" * 100_000)
    peer = intake.transport
    intake.close()
    intake.connection_lost(None)
    assert await turns_until(intake) <= 2
    assert peer.closed
    assert len(intake._buffer) == 0


async def test_framing_without_end_is_hung_up_on(intake):
    intake.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ")
    sent = 0
    while not intake.transport.is_closing():
        intake.data_received(b"a" * 1_000_000)
        sent += 1_000_000
        await turns_until(intake)
    assert MAX_RESPONSE_BYTES < sent <= MAX_RESPONSE_BYTES + 1_000_000


async def test_interim_answers_are_passed_over_up_to_a_number(intake):
    intake.data_received(HINT * MAX_INTERIMS + HEAD % 0)
    await turns_until(intake)
    assert (await intake.read())[0].code == 200


async def test_more_interim_answers_end_the_reading(intake):
    intake.data_received(HINT * (MAX_INTERIMS + 1))
    await turns_until(intake)
    with pytest.raises(HttpProcessingError, match="too many interim answers"):
        await intake.read()


async def test_a_body_cut_off_in_the_middle_raises_an_error(intake):
    intake.data_received(HEAD % 100_000 + b"a" * 50_000)
    intake.connection_lost(ConnectionResetError())
    _, payload = await intake.read()
    with pytest.raises(aiohttp.ClientPayloadError):
        await payload.read()


async def test_data_after_a_protocol_switch_stays_in_order(intake):
    frames = b"".join(b"%07d " % number for number in range(10_000))
    intake.data_received(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n" + frames)
    received = bytearray()

    class Reader:
        def feed_data(self, data: bytes) -> tuple[bool, bytes]:
            received.extend(data)
            return False, b""

        def feed_eof(self) -> None:
            pass

    await intake.read()
    intake.set_parser(Reader(), None)
    assert intake.transport.paused
    await turns_until(intake)
    assert received == frames


class Broken:
    """A reader that fails for what it reads."""

    def feed_data(self, _: bytes) -> tuple[bool, bytes]:
        raise ZeroDivisionError


async def test_a_reader_that_fails_in_the_middle_ends_the_connection(intake):
    failures = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context["exception"]))
    peer = intake.transport
    intake.set_parser(Broken(), None)
    intake.data_received(b"x" * 3 * PIECE_BYTES)
    await asyncio.sleep(0)
    assert peer.closed
    assert not intake._unread
    assert [type(one) for one in failures] == [ZeroDivisionError]
