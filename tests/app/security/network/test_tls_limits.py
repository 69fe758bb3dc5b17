"""A TLS connection that is bounded carries everything that an ordinary one does, and ends when nothing comes of it."""

import asyncio
import ssl
from contextlib import asynccontextmanager

import pytest
import uvloop

from app.security.network import tls_limits
from app.security.network.tls_limits import BoundedTls, apply_limits
from bench.faults.hostile.encrypted import CONTEXTS, HELLO_AGAIN, record

CONTENT = bytes(range(256)) * 20_000
SMALL = 500  # messages of a byte
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def client() -> ssl.SSLContext:
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return apply_limits(made)


class Pair:
    """A client and a server that shake hands in memory."""

    def __init__(self, certificate: str = "other") -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.received, self.answered = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client().wrap_bio(self.incoming, self.outgoing)
        self.server = CONTEXTS[certificate]().wrap_bio(self.received, self.answered, server_side=True)

    def shake_hands(self, *, piece: int) -> None:
        """Until both are done; what the server sends comes in pieces of so many bytes."""
        waiting = {self.client, self.server}
        while waiting:
            for side in (self.client, self.server):
                self.received.write(self.outgoing.read())
                try:
                    if side in waiting:
                        side.do_handshake()
                        waiting.discard(side)
                except ssl.SSLWantReadError:
                    self.incoming.write(self.answered.read(piece))
        self.incoming.write(self.answered.read())

    def read(self) -> bytes:
        """All that has come."""
        found = b""
        while self.incoming.pending or self.client.pending():
            try:
                found += self.client.read(100_000)
            except ssl.SSLWantReadError:
                break
        return found


@asynccontextmanager
async def sending(*parts: bytes, certificate: str = "wide"):
    """A TLS server that sends each part at once; yields its port."""

    async def serve(reader, writer):
        for part in parts:
            writer.write(part)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=CONTEXTS[certificate]())
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.mark.parametrize("piece", [1, 4, 5, 6, 1_000, 100_000])
def test_pieces_of_any_size_make_a_handshake(piece):
    pair = Pair("wide")
    pair.shake_hands(piece=piece)
    pair.server.write(b"content")
    pair.incoming.write(pair.answered.read())
    assert isinstance(pair.client, BoundedTls)
    assert pair.read() == b"content"


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("parts", [(CONTENT,), (b"a",) * SMALL, (b"a", CONTENT, b"b")])
def test_content_of_any_length_arrives_on_any_loop(loop, parts):
    async def work():
        async with sending(*parts) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client())
            found = await reader.read()
            writer.transport.abort()
            return found

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        assert runner.run(work()) == b"".join(parts)


def test_data_arriving_with_the_handshake_stays_buffered_until_read():
    pair = Pair()
    pair.shake_hands(piece=100_000)
    tickets = pair.client.pending()
    pair.server.write(b"content")
    pair.incoming.write(pair.answered.read())
    assert pair.client.pending() == tickets  # the loop's own buffer has it
    assert pair.read() == b"content"


def test_a_server_can_choose_no_prime_of_its_own():
    offered = {one["kea"] for one in client().get_ciphers()}
    assert offered == {"kx-any", "kx-ecdhe", "kx-rsa"}
    assert "kx-dhe" in {one["kea"] for one in ssl.create_default_context().get_ciphers()}


def test_a_hello_without_end_ends():
    pair = Pair()
    pair.incoming.write(HELLO_AGAIN * (tls_limits.HANDSHAKE_RECORDS + 1))
    with pytest.raises(ssl.SSLError) as caught:
        pair.client.do_handshake()
    assert caught.value.reason == tls_limits.ENDLESS_HANDSHAKE


def test_a_handshake_is_bounded_in_bytes():
    pair = Pair()
    pair.incoming.write(record(22, b"a" * 60_000) * (tls_limits.HANDSHAKE_BYTES // 60_000 + 1))
    with pytest.raises(ssl.SSLError) as caught:
        pair.client.do_handshake()
    assert caught.value.reason == tls_limits.ENDLESS_HANDSHAKE


def test_as_many_hellos_as_real_servers_send_are_no_fault():
    pair = Pair()
    pair.incoming.write(HELLO_AGAIN * 10)
    pair.shake_hands(piece=100_000)
    assert pair.client.version()


def test_tickets_without_end_end():
    pair = Pair("generous")
    pair.shake_hands(piece=100_000)
    with pytest.raises(ssl.SSLError) as caught:
        pair.read()
    assert caught.value.reason == tls_limits.ENDLESS_EMPTY_RECORDS


def test_records_of_a_byte_end_when_there_are_too_many():
    pair = Pair()
    pair.shake_hands(piece=100_000)
    for _ in range(tls_limits.RECORDS + 200):
        pair.server.write(b"a")
    pair.incoming.write(pair.answered.read())
    with pytest.raises(ssl.SSLError) as caught:
        pair.read()
    assert caught.value.reason == tls_limits.ENDLESS_EMPTY_RECORDS


def test_full_records_may_be_as_many_as_they_like():
    pair = Pair()
    pair.shake_hands(piece=100_000)
    for _ in range(tls_limits.RECORDS + 200):
        pair.server.write(b"a" * 200)
    pair.incoming.write(pair.answered.read())
    assert len(pair.read()) == 200 * (tls_limits.RECORDS + 200)


def test_a_goodbye_is_read_after_what_came_before_it():
    pair = Pair()
    pair.shake_hands(piece=100_000)
    pair.server.write(b"content")
    with pytest.raises(ssl.SSLWantReadError):
        pair.server.unwrap()
    pair.incoming.write(pair.answered.read())
    assert pair.client.read(100) == b"content"
    pair.client.unwrap()
    assert not pair.incoming.pending
