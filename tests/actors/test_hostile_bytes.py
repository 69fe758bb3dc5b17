"""Whatever bytes a target answers with, the outcome can be encoded and stored."""

import asyncio
import unicodedata
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings as examples, strategies as st
from msgspec import Struct, structs

from actors.probes import ProbeContext, open_probe_context, run_probe
from app import db
from app.security.secrets import sealing
from app.store.monitoring import series
from app.store.transactions import monitors, results
from schema.heartbeats import heartbeat_key
from schema.jobs import CheckOutcome
from schema.monitors import Snapshot
from schema.status import Status
from schema.targets import TARGETS
from tests import make
from tests.actors.probes.scripted_server import Script, datagrams, talking
from tests.searching import MANY, SEARCHING

POISON = b"caf\xe9 \0 \x1b[31m \xe2\x80\xae \xed\xa0\x80 end"
POISONS = (POISON, POISON.replace(b"\0", b""))  # some protocols are refused at a NUL
ENDS = (b"\r\n\r\n", b'"}')
TIMEOUT_MS = 150
MESSAGE, DETAIL_BYTES = 500, 64_000
WHOLE = (-(2**63), 2**63 - 1)
DIFFERS = [{"type": "value", "operator": "!=", "expected": "needle"}]  # so that the value is read, and shown
SIGNED: dict[str, Any] = {"username": "me", "password": "a secret"}
HTTP = (b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 500 ", b"HTTP/1.1 200 OK\r\nX-A: ", b"HTTP/1.1 302 Found\r\nLocation: ")
ENDED = b'HTTP/1.1 200 OK\r\n\r\n{"events": [{"eventAction": "expiration", "eventDate": "2001-01-01"}], "status": ["'
JSON = (b'HTTP/1.1 200 OK\r\n\r\n{"a": "\\ud800', b'HTTP/1.1 500 No\r\n\r\n{"message": "\\u0000')

pytestmark = pytest.mark.timeout(300)
StoreOutcome = Callable[[CheckOutcome], list[Any]]


class Peer(Struct, frozen=True):
    """How a monitor is made for a server, and how the server may begin.

    starts    what its replies begin with     first    whether it sends before a request
    """

    type: str
    config: Callable[[int], dict[str, Any]]
    starts: tuple[bytes, ...] = ()
    first: bool = False
    udp: bool = False


RunCheck = Callable[[Peer, list[bytes]], CheckOutcome]


def local(type_: str, *starts: bytes, first: bool = False, udp: bool = False, **more: Any) -> Peer:
    return Peer(type_, lambda port: {"host": "127.0.0.1", "port": port, **more}, starts, first, udp)


def web(type_: str, *starts: bytes, scheme: str = "http", **more: Any) -> Peer:
    return Peer(type_, lambda port: {"url": f"{scheme}://127.0.0.1:{port}/", **more}, starts)


PEERS = {
    "http": web("http", *HTTP),
    "http words": web("http", *HTTP, *JSON, json_query="$.a", assertions=DIFFERS),
    "website": web("website", *HTTP),
    "websocket": web("websocket", b"HTTP/1.1 101 Switching Protocols\r\n", *HTTP, scheme="ws", expect="needle"),
    "tcp": local("tcp", first=True, assertions=DIFFERS),
    "dns": Peer("dns", lambda port: {"host": "a.example", "resolver_server": "127.0.0.1", "port": port}, udp=True),
    "dns over tcp": Peer(
        "dns",
        lambda port: {"host": "a.example", "resolver_server": "127.0.0.1", "port": port, "transport": "tcp"},
        (b"\0\x30", b"\xff\xff"),
    ),
    "redis": local("redis", b"-ERR ", b"+", b":1", b"$5\r\n", b"*2\r\n+", assertions=DIFFERS),
    "postgres": local("postgres", b"E\0\0\0\x20SFATAL\0M", b"R\0\0\0\x08\0\0\0\0", b"N", sslmode="disable"),
    "ssh": local("ssh", b"SSH-2.0-", b"SSH-1.", b"hello\r\n", first=True, assertions=DIFFERS),
    "ssh key": local("ssh", b"SSH-2.0-", b"SSH-2.0-a\r\n\0\0\0\x1c\4\1", first=True, fingerprint=f"SHA256:{'A' * 43}"),
    "ntp": local("ntp", b"\x24\0", b"\x24\1", udp=True),
    "ssl": local("ssl", b"\x15\3\3\0\2\2", b"\x16\3\3\0\x20\2"),
    "mysql": local("mysql", b"\x20\0\0\0\xff\x10\x04#HY000", b"\x20\0\0\0\x0a8.0\0", first=True),
    "ldap": local("ldap", b"\x30\x20\2\1\1\x61\x1b\x0a\1\x31\4\0\4", b"\x30\x84", filter="(a=b)"),
    "smtp": local("mail", b"554 ", b"220-", b"220 a\r\n", b"250-", first=True, protocol="smtp"),
    "imap": local("mail", b"* BYE ", b"* OK ", b"* CAPABILITY ", b"w BAD ", first=True, protocol="imap"),
    "pop3": local("mail", b"-ERR ", b"+OK ", first=True, protocol="pop3"),
    "mongodb": local(
        "mongodb", b"\x40\0\0\0\1\0\0\0\1\0\0\0\xdd\7\0\0\0\0\0\0\0\x2b\0\0\0\2errmsg\0", assertions=DIFFERS
    ),
    "snmp": local("snmp", b"\x30\x20\2\1\1\4\6public\xa2", udp=True, oid="1.3.6.1.2.1.1.1.0", assertions=DIFFERS),
    "mqtt": local("mqtt", b"\x20\2\0\0", b"\x90\3\0\1\0\x30\x20\0\2", topic="a", assertions=DIFFERS),
    "grpc": local("grpc", b"\0\0\0\4\0\0\0\0\0", b"\0\0\x20\1\5\0\0\0\1\x88", first=True),
    "rabbitmq": local("rabbitmq", b"\1\0\0\0\0\0\x20\0\x0a\0\x32\1\x93\x10", b"AMQP\0\0\x09\1", **SIGNED),
    "rabbitmq node": Peer("rabbitmq", lambda port: {"nodes": [f"http://127.0.0.1:{port}"], **SIGNED}, (*HTTP, *JSON)),
    "docker": Peer("docker", lambda port: {"container": "a", "daemon": f"tcp://127.0.0.1:{port}"}, (*HTTP, *JSON)),
    "steam": local("steam", b"\xff\xff\xff\xffI\x11", b"\xff\xff\xff\xffA", b"\xff\xff\xff\xffm", udp=True),
    "rdap": Peer(
        "domain",
        lambda port: {"domain": "a.example", "rdap_url": f"http://127.0.0.1:{port}/", "whois_server": None},
        (ENDED, *HTTP),
    ),
    "whois": Peer(
        "domain",
        lambda port: {"domain": "a.example", "rdap_url": "", "whois_server": "127.0.0.1", "whois_port": port},
        (b"Expires: 2001-01-01\r\nRegistrar: ", b"refer: ", b"No match for "),
    ),
    "kafka": Peer(
        "kafka-producer",
        lambda port: {"brokers": [f"127.0.0.1:{port}"], "topic": "a", "message": "tick", **SIGNED},
        (b"\0\0\0\x20\0\0\0\1\0\0", b"\0\0\0\x20\0\0\0\2\0\x21\0\0\0\1"),
    ),
    "sqlserver": local(
        "sqlserver", b"\4\1\0\x30\0\0\0\0\xaa", b"\4\1\0\x19\0\0\0\0\0\0\x0b\0\6\1\0\x11\0\1\xff", **SIGNED
    ),
}  # fmt: skip
WITHOUT_SERVER = {"push", "group", "manual", "ping"}  # no server answers these with bytes of its own


@st.composite
def replies(draw, starts: tuple[bytes, ...]) -> list[bytes]:
    """A few replies: bytes alone, or behind something that the protocol begins with."""
    begin = st.sampled_from((b"", *starts))
    rest = st.one_of(
        st.binary(max_size=200), st.sampled_from(POISONS), st.text(max_size=50).map(lambda text: text.encode())
    )
    end = st.sampled_from((b"", b"\r\n", b"\0", *ENDS))
    return draw(st.lists(st.tuples(begin, rest, end).map(b"".join), min_size=1, max_size=3))


def answering(sent: list[bytes], *, first: bool) -> Script:
    """Sends a reply to each question, and hangs up."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, reply in enumerate(sent):
            if (number or not first) and not await reader.read(65_536):
                return
            writer.write(reply)
            await writer.drain()

    return script


async def outcome(peer: Peer, sent: list[bytes], context: ProbeContext) -> CheckOutcome:
    """What one check of a server that answers so comes to."""
    serving = datagrams(lambda _: sent) if peer.udp else talking(answering(sent, first=peer.first))
    async with serving as port:
        target = msgspec.convert(peer.config(port), TARGETS[peer.type])
        snapshot = make.snapshot(target, timeout_ms=TIMEOUT_MS)
        return await run_probe(make.slot(early=True), snapshot, context, detailed=True)


@pytest.fixture
def run_check(settings) -> Iterator[RunCheck]:
    """Checks a server that answers so; hypothesis calls it again and again, so the loop is the fixture's own."""
    with asyncio.Runner() as runner:
        context = runner.run(open_probe_context(settings))
        yield lambda peer, sent: runner.run(outcome(peer, sent, context))
        runner.run(context.close())


@pytest.fixture
def store_outcome(database) -> Iterator[StoreOutcome]:
    """Stores an outcome of one monitor beside a good one of another; returns what is stored of the two."""

    async def begin() -> dict[int, Snapshot]:
        await db.start(database)
        sealing.prepare(database)
        plans = [
            plan for name in ("odd", "good") for plan in (await monitors.create(make.monitor(name=name))).schedules
        ]
        return {one.series: one for one in await series.list_snapshots([plan.series for plan in plans])}

    async def store(snapshots: dict[int, Snapshot], odd: CheckOutcome, at_ms: int) -> list[Any]:
        first, second = sorted(snapshots)
        batch = [structs.replace(odd, series=first, at_ms=at_ms), make.outcome(series=second, at_ms=at_ms)]
        await results.store_results(make.results(*batch), snapshots, at_ms)
        keys = [heartbeat_key(one.series, one.at_ms) for one in batch]
        return await db.rows(
            "SELECT h.id, h.status, d.message, d.detail FROM heartbeats h LEFT JOIN heartbeat_details d ON d.id = h.id"
            " WHERE h.id IN (?1, ?2) ORDER BY h.id",
            *keys,
        )

    times = count(make.NOW_MS, make.MINUTE_MS)
    with asyncio.Runner() as runner:
        snapshots = runner.run(begin())
        yield lambda odd: runner.run(store(snapshots, odd, next(times)))
        runner.run(db.stop())


def leaves(value: Any) -> Iterator[Any]:
    """Every text and number of a detail, names among them."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield name
            yield from leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from leaves(one)
    else:
        yield value


def is_plain(text: str, *, lines: bool = False) -> bool:
    """Whether it has nothing that an encoder or a database refuses, or a terminal obeys."""
    allowed = {"\n", "\t"} if lines else set()
    return all(unicodedata.category(sign) not in {"Cc", "Cs"} for sign in set(text) - allowed) and "\u202e" not in text


def is_fit(leaf: Any) -> bool:
    """Whether a text is plain, and a number one that a database holds."""
    if isinstance(leaf, str):
        return is_plain(leaf.replace("\r\n", "\n"), lines=True)  # as protocols end their lines
    return not isinstance(leaf, int) or WHOLE[0] <= leaf <= WHOLE[1]


def assert_encodable(found: CheckOutcome) -> None:
    """Assert that every encoder and database accepts the outcome."""
    assert msgspec.json.decode(msgspec.json.encode(found), type=CheckOutcome).series == found.series
    assert is_plain(found.message)
    assert len(found.message) <= MESSAGE
    assert "a fault in Watchkeeper" not in found.message
    assert found.message or found.code
    assert all(is_fit(leaf) for leaf in leaves(found.detail))
    assert len(msgspec.json.encode(found.detail)) <= DETAIL_BYTES
    if found.expiring:
        assert is_plain(found.expiring.name + found.expiring.issuer + found.expiring.identity)


def test_every_type_with_a_server_has_a_peer():
    assert {peer.type for peer in PEERS.values()} == set(TARGETS) - WITHOUT_SERVER


@pytest.mark.parametrize("name", PEERS)
def test_any_response_is_stored_as_plain_text_beside_good_results(name, run_check, store_outcome):
    peer = PEERS[name]

    def assert_stored(sent: list[bytes]) -> None:
        found = run_check(peer, sent)
        assert_encodable(found)
        odd, good = store_outcome(found)
        assert (odd["status"], odd["message"] or "", good["status"]) == (found.status, found.message, Status.UP)
        assert not found.detail or set(msgspec.json.decode(odd["detail"])) == set(found.detail)

    for sent in ([start + poison + end] for start in peer.starts for poison in POISONS for end in ENDS):
        assert_stored(sent)
    examples(max_examples=8 * MANY if SEARCHING else 8, database=None)(
        given(sent=replies(peer.starts))(assert_stored)
    )()
