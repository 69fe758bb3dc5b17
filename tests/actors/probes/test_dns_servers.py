"""Name servers of a DNS check: BIND over UDP, TCP and TLS, a server over HTTPS, several at once."""

import contextlib
from functools import partial

import dns.flags
import dns.rcode
import dns.rdatatype
import pytest
from msgspec import ValidationError, convert

from schema.assertions import Operator, Value
from schema.heartbeat_texts import RESOLVED
from schema.status import Status
from schema.targets import Dns, DnsTransport, RecordType
from tests.actors.probes import certificates
from tests.actors.probes.changing_relay import survives
from tests.actors.probes.nameserver import answer, holding, naming, saying
from tests.actors.probes.scripted_server import saying as talker_saying, talking
from tests.actors.probes.servers_dns import named, over_https

__all__ = ["named"]
UP, DOWN, DEGRADED, UNKNOWN = Status.UP, Status.DOWN, Status.DEGRADED, Status.UNKNOWN
UDP, TCP, TLS, HTTPS = DnsTransport
RIGHT, WRONG = holding("192.0.2.1"), holding("192.0.2.9")


def asking(port, host="box.test", **changes):
    return Dns(**{"host": host, "resolver_server": "127.0.0.1", "port": port, **changes})


def test_every_record_type_of_the_library_can_be_queried():
    offered = {dns.rdatatype.from_text(one) for one in RecordType}
    known = {one for one in dns.rdatatype.RdataType if not dns.rdatatype.is_metatype(one)}
    assert offered == known - {dns.rdatatype.TYPE0, dns.rdatatype.UNSPEC}


@pytest.mark.parametrize(
    ("kind", "record"),
    [
        ("A", "192.0.2.1"),
        ("TLSA", "3 1 1 0D6FCE3320315023ff499c3f3d8a1c5a0d6fce3320315023ff499c3f3d8a1c5a"),
        ("SSHFP", "4 2 0d6fce3320315023ff499c3f3d8a1c5a0d6fce3320315023ff499c3f3d8a1c5a"),
        ("HTTPS", '1 . alpn="h2"'),
        ("NAPTR", '10 20 "s" "SIP+D2U" "" _sip._udp.box.test.'),
        ("LOC", "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000.00m 10.00m"),
    ],
)
async def test_a_real_server_returns_every_kind_of_record(check, named, kind, record):
    target = asking(named["plain"], resolve_type=RecordType(kind), expected=[record], authoritative=True)
    outcome = await check(target, detailed=True)
    assert (outcome.status, outcome.code, outcome.message) == (UP, RESOLVED, "")
    assert (outcome.detail["record_type"], outcome.detail["ttl"]) == (kind, 300)
    assert outcome.detail["authoritative"] == {"is_authoritative": True}


@pytest.mark.parametrize(("transport", "port"), [(UDP, "plain"), (TCP, "plain"), (TLS, "tls")])
async def test_a_long_answer_comes_over_every_transport(check, named, transport, port):
    target = asking(named[port], "long.box.test", resolve_type=RecordType.TXT, transport=transport)
    outcome = await check(target, detailed=True)
    assert (outcome.status, outcome.message) == (UP, "")
    assert outcome.detail["records"] == ["x" * 1_500]


@pytest.mark.parametrize(
    ("changes", "expected_status", "message"),
    [
        ({"host": "none.box.test"}, DOWN, "there is no name none.box.test"),
        ({"host": "elsewhere.test"}, DOWN, "the name server answered REFUSED"),
        ({"dnssec": True}, DOWN, "the answer is not authenticated: the name server did not set AD"),
        ({"transport": TLS, "resolver_name": "dns.test"}, DOWN, "certificate not valid: Hostname mismatch"),
    ],
)
async def test_a_real_server_that_will_not_do_is_down(check, named, changes, expected_status, message):
    port = named["tls" if changes.get("transport") else "plain"]
    outcome = await check(asking(port, **changes))
    assert outcome.status is expected_status
    assert outcome.message.startswith(message)


async def test_a_server_without_authority_degrades_where_it_counts(check):
    async with naming(RIGHT) as port:
        outcome = await check(asking(port, authoritative=True))
    assert (outcome.status, outcome.message) == (DEGRADED, "the name server does not answer with authority")
    assert outcome.detail["records"] == ["192.0.2.1"]


async def test_an_authenticated_response_is_up_and_requested(check):
    queries = []

    def validating(query):
        queries.append(query)
        return holding("192.0.2.1", flags=dns.flags.AD)(query)

    async with naming(validating) as port:
        outcome = await check(asking(port, dnssec=True), detailed=True)
    assert (outcome.status, outcome.detail["dnssec"]) == (UP, {"authenticated": True})
    assert queries[0].ednsflags & dns.flags.DO


async def test_names_are_queried_over_https(check, tmp_path):
    async with over_https(answer, certificates.served(tmp_path)) as url:
        found = await check(Dns(host="a.test", transport=HTTPS, resolver_url=url, expected=["192.0.2.2"]))
        absent = await check(Dns(host="b.test", transport=HTTPS, resolver_url=url))
        elsewhere = await check(Dns(host="a.test", transport=HTTPS, resolver_url=f"{url}/x"))
    assert found.status is UP
    assert (absent.status, absent.message) == (DOWN, "there is no name b.test")
    assert (elsewhere.status, elsewhere.message) == (DOWN, "the name server answered HTTP 404")


async def test_a_server_over_https_is_verified_and_limited(check, tmp_path):
    def strange(query):
        query.id += 1
        return RIGHT(query)

    async with over_https(strange, certificates.served(tmp_path)) as url:
        other = await check(Dns(host="a.test", transport=HTTPS, resolver_url=url))
    async with over_https(answer, certificates.served(tmp_path, address="127.0.0.2")) as url:
        untrusted = await check(Dns(host="a.test", transport=HTTPS, resolver_url=url))
    forbidden = await check(Dns(host="a.test", transport=HTTPS, resolver_url="https://169.254.169.254/dns-query"))
    assert (other.status, other.message) == (DOWN, "the name server answered something else")
    assert untrusted.message.startswith("certificate not valid: IP address mismatch")
    assert (forbidden.status, forbidden.message) == (UNKNOWN, "169.254.169.254 is a cloud metadata address: refused")


@pytest.mark.parametrize("transport", [TCP, TLS])
async def test_a_server_with_another_protocol_is_down(check, tmp_path, transport):
    tls = certificates.served(tmp_path) if transport is TLS else None
    async with talking(talker_saying(b"\x00\x05hello"), tls=tls) as port:
        outcome = await check(asking(port, transport=transport), timeout_ms=2_000)
    assert outcome.status is DOWN


@contextlib.asynccontextmanager
async def servers(*handlers):
    """The port and the addresses of several servers, each with a handler of its own."""
    async with contextlib.AsyncExitStack() as stack:
        port, addresses = 0, []
        for number, handler in enumerate(handlers, 1):
            addresses.append(f"127.0.0.{number}")
            port = await stack.enter_async_context(naming(handler, addresses[-1], port))
        yield port, addresses


@pytest.mark.parametrize(
    ("wrong", "threshold", "expected_status", "message"),
    [
        (0, 100, UP, ""),
        (1, 80, UP, ""),
        (2, 80, DEGRADED, "3 of 5 name servers agree, 60 %"),
        (3, 80, DOWN, "2 of 5 name servers agree, 40 %"),
        (4, 0, UP, ""),
    ],
)
async def test_an_answer_must_have_come_to_most_servers(check, wrong, threshold, expected_status, message):
    async with servers(*[RIGHT] * (5 - wrong), *[WRONG] * wrong) as (port, addresses):
        outcome = await check(asking(port, resolvers=addresses, propagation_threshold=threshold), detailed=True)
    assert (outcome.status, outcome.message) == (expected_status, message)
    propagation = outcome.detail["propagation"]
    assert (propagation["total_count"], propagation["successful_count"], propagation["consistent_count"]) == (
        5,
        5,
        5 - wrong,
    )
    assert len(propagation["resolvers"]) == 5


async def test_agreement_is_measured_against_the_expected_records(check):
    more = holding("192.0.2.1", "192.0.2.2")
    async with servers(RIGHT, more, saying(dns.rcode.SERVFAIL)) as (port, addresses):
        named_one = await check(asking(port, resolvers=addresses, expected=["192.0.2.1"]), detailed=True)
        alike = await check(asking(port, resolvers=addresses))
    assert (named_one.status, named_one.message) == (DEGRADED, "2 of 3 name servers agree, 67 %")
    assert named_one.detail["propagation"]["resolvers"][2]["error"] == "the name server answered SERVFAIL"
    assert (alike.status, alike.message) == (DOWN, "1 of 3 name servers agree, 33 %")


async def test_one_failed_server_does_not_decide_the_status(check):
    async with servers(RIGHT, RIGHT) as (port, addresses):
        silent = [*addresses, "127.0.0.99"]
        outcome = await check(asking(port, resolvers=silent, propagation_threshold=60), timeout_ms=1_500)
    assert (outcome.status, outcome.message) == (UP, "")


async def test_unreachable_servers_are_not_counted(check):
    async with servers(RIGHT) as (port, addresses):
        some = await check(asking(port, resolvers=[*addresses, "192.0.2.53"]), detailed=True)
        none = await check(asking(port, resolvers=["192.0.2.53"]))
        odd = await check(asking(port, resolvers=["ns.test"]))
        forbidden = await check(asking(port, resolvers=["169.254.169.254"]))
    assert (some.status, some.detail["propagation"]["total_count"]) == (UP, 1)
    assert {one.status for one in (none, odd, forbidden)} == {UNKNOWN}


async def test_the_first_record_is_a_value_to_compare(check):
    other = Value(operator=Operator.DIFFERS, expected="192.0.2.1")
    async with naming(RIGHT) as port:
        outcome = await check(asking(port, assertions=[other]))
    assert (outcome.status, outcome.message) == (DOWN, "'192.0.2.1' is not != '192.0.2.1'")


@pytest.mark.parametrize(
    "wrong",
    [
        {"transport": "https"},
        {"resolver_url": "https://dns.test/"},
        {"transport": "tls"},
        {"transport": "https", "resolver_url": "http://dns.test/"},
        {"transport": "https", "resolver_url": "https://dns.test/", "resolvers": ["192.0.2.1"]},
        {"resolve_type": "ANY"},
    ],
)
def test_a_target_that_contradicts_itself_is_refused(wrong):
    with pytest.raises(ValidationError):
        convert({"type": "dns", "host": "box.test", **wrong}, Dns)


@pytest.mark.parametrize(("kind", "transport"), [("TLSA", UDP), ("NAPTR", UDP), ("HTTPS", TCP), ("LOC", TCP)])
async def test_a_corrupted_connection_is_no_internal_error(check, named, kind, transport):
    query = partial(asking, resolve_type=RecordType(kind), transport=transport, authoritative=True)
    await survives(check, named["plain"], query, udp=transport is UDP)
