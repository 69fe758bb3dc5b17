"""A library with its own connections reads in limited chunks, and is disconnected when it fails."""

import asyncio

from actors.probes.kit.read_limit import CHUNK_BYTES, ReadLimit, ReadLimitedLoop


class Reader(asyncio.Protocol):
    """A library that fails from its second piece on, or not at all."""

    def __init__(self, *, fails: bool) -> None:
        self._fails = fails
        self.pieces: list[bytes] = []
        self.lost = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.pieces.append(data)
        if self._fails and len(self.pieces) == 2:
            raise ZeroDivisionError

    def connection_lost(self, _: Exception | None) -> None:
        self.lost.set()


async def read(reader: Reader, data: bytes) -> None:
    """Have it read what a server sends, to the end."""

    async def send(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        writer.close()

    server = await asyncio.start_server(send, "127.0.0.1", 0)
    async with server:
        await ReadLimitedLoop(ReadLimit(), lambda: lambda _: "").create_connection(
            lambda: reader, *server.sockets[0].getsockname()
        )
        await asyncio.wait_for(reader.lost.wait(), 20)


async def test_all_of_it_is_passed_on_in_pieces() -> None:
    reader = Reader(fails=False)
    data = bytes(range(256)) * 1_000
    await read(reader, data)
    assert b"".join(reader.pieces) == data
    assert max(map(len, reader.pieces)) <= CHUNK_BYTES


async def test_a_library_that_fails_in_the_middle_is_hung_up_on() -> None:
    failures = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context.get("exception")))
    reader = Reader(fails=True)
    await read(reader, b"x" * 200_000)
    assert len(reader.pieces) == 2
    assert [type(one) for one in failures] == [ZeroDivisionError]
