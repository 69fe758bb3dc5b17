"""How a name is looked up, at a real server on loopback."""

from itertools import permutations

import dns.rcode
import pytest
from hypothesis import given, strategies as st

from actors.probes.net.dns_records import ADDRESSES, normalize, sort_records
from schema.heartbeat_texts import NO_ANSWER, RESOLVED
from schema.status import Status
from schema.targets import Dns, RecordType
from tests.actors.probes.nameserver import naming, saying

UP, DOWN, UNKNOWN = Status.UP, Status.DOWN, Status.UNKNOWN

RECORDS = [
    ("a.test", "A", ["192.0.2.1", "192.0.2.2"]),
    ("a.test", "AAAA", ["2001:db8::1"]),
    ("a.test", "MX", ["10 Mail.test."]),
    ("a.test", "NS", ["ns.test."]),
    ("a.test", "CAA", ['0 issue "letsencrypt.org"']),
    ("a.test", "TXT", ["v=spf1 -all"]),
    ("a.test", "SOA", ["ns.test. admin.test. 1 2 3 4 5"]),
    ("_sip._tcp.test", "SRV", ["1 5 5060 sip.test."]),
    ("1.2.0.192.in-addr.arpa", "PTR", ["a.test."]),
    ("192.0.2.1", "PTR", ["a.test."]),
    ("c.test", "CNAME", ["a.test."]),
]


def asking(port, host="a.test", kind="A", expected=()):
    return Dns(
        host=host, resolve_type=RecordType(kind), resolver_server="127.0.0.1", port=port, expected=list(expected)
    )


@pytest.mark.parametrize(("host", "kind", "records"), RECORDS)
async def test_every_record_type_reads_as_people_write_it(check, host, kind, records):
    async with naming() as port:
        outcome = await check(asking(port, host, kind, expected=records), detailed=True)
    assert (outcome.status, outcome.code) == (UP, RESOLVED)
    assert sorted(outcome.detail["records"]) == records


async def test_every_expected_value_must_be_among_the_answers(check):
    async with naming() as port:
        some = await check(asking(port, expected=["192.0.2.2"]))
        missing = await check(asking(port, expected=["192.0.2.1", "192.0.2.9"]))
    assert (some.status, some.detail) == (UP, None)
    assert (missing.status, missing.message) == (DOWN, "not among the answers: 192.0.2.9")
    assert sorted(missing.detail["records"]) == ["192.0.2.1", "192.0.2.2"]


@pytest.mark.parametrize(
    ("kind", "one", "other", "same"),
    [
        ("MX", "10 Mail.test.", "10  mail.test", True),
        ("SOA", "ns.test. admin.test. 1 2 3 4 5", "ns.test admin.test 1 2 3 4 5", True),
        ("AAAA", "2001:db8::1", "2001:0DB8:0:0::1", True),
        ("TXT", "Token", "token", False),
        ("MX", "10 mail.test.", "20 mail.test.", False),
    ],
)
def test_spelling_does_not_matter_where_it_means_the_same(kind, one, other, same):
    assert (normalize(one, RecordType(kind)) == normalize(other, RecordType(kind))) is same


@pytest.mark.parametrize(
    ("kind", "records"),
    [
        ("A", ["192.0.2.9", "192.0.2.10", "198.51.100.1"]),
        ("AAAA", ["2001:db8::9", "2001:db8::10"]),
        ("MX", ["5 b.test.", "5 c.test.", "10 a.test.", "200 d.test."]),
        ("SRV", ["2 9 443 b.test.", "10 5 443 a.test.", "10 5 8443 a.test."]),
        ("NS", ["a.test.", "B.test.", "c.test."]),
        ("TXT", ["", "10", "9", "v=spf1 -all"]),
        ("TLSA", ["3 1 1 00ff", "3 1 1 ff00", "3 1 2 00ff"]),
        ("SOA", ["ns.test. admin.test. 1 2 3 4 5"]),
        ("CAA", ['0 issue "a"', '128 issue "b"']),
    ],
)
def test_records_have_one_order_however_the_server_turns_them(kind, records):
    for turned in permutations(records):
        assert sort_records(list(turned), RecordType(kind)) == records


@given(st.lists(st.text(max_size=20), max_size=6), st.sampled_from([*set(RecordType) - ADDRESSES]))
def test_any_records_can_be_put_in_order(records, kind):
    assert sorted(sort_records(records, kind)) == sorted(records)


@pytest.mark.parametrize(
    ("host", "kind", "message"),
    [
        ("b.test", "A", "there is no name b.test"),
        ("c.test", "MX", "the name has no MX record"),
        ("a..test", "A", "a..test is not a name"),
        ("a" * 64 + ".test", "A", f"{'a' * 64}.test is not a name"),
    ],
)
async def test_a_name_that_does_not_resolve_is_down(check, host, kind, message):
    async with naming() as port:
        outcome = await check(asking(port, host, kind))
    assert (outcome.status, outcome.message) == (DOWN, message)


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED])
async def test_a_named_server_that_refuses_is_down(check, rcode):
    async with naming(saying(rcode)) as port:
        outcome = await check(asking(port))
    assert (outcome.status, outcome.message) == (DOWN, f"the name server answered {rcode.name}")


async def test_a_named_server_that_does_not_respond_is_down(check, free_port):
    outcome = await check(asking(free_port), timeout_ms=150)
    assert (outcome.status, outcome.code) == (DOWN, NO_ANSWER)


@pytest.mark.parametrize(
    ("server", "message"),
    [
        ("169.254.169.254", "169.254.169.254 is a cloud metadata address: refused"),
        ("ns.test", "`resolver_server` must be the IP address of a name server"),
    ],
)
async def test_an_unusable_server_is_unknown(check, server, message):
    outcome = await check(Dns(host="a.test", resolver_server=server))
    assert outcome.status is UNKNOWN
    assert outcome.message.endswith(message)


@pytest.fixture
def use_name_server(monkeypatch):
    """Makes the machine's own resolver one on loopback, at the port given."""

    def at(port):
        def configured(resolver, _):
            resolver.nameservers, resolver.port = ["127.0.0.1"], port

        monkeypatch.setattr("dns.resolver.BaseResolver.read_resolv_conf", configured)

    return at


@pytest.mark.parametrize(
    ("rcode", "expected_status", "message"),
    [
        (dns.rcode.REFUSED, UNKNOWN, "this machine's name server: the name server answered REFUSED"),
        (dns.rcode.SERVFAIL, DOWN, "the name server answered SERVFAIL"),
        (dns.rcode.NXDOMAIN, DOWN, "there is no name a.test"),
    ],
)
async def test_errors_of_our_own_name_server_are_unknown(check, use_name_server, rcode, expected_status, message):
    async with naming(saying(rcode)) as port:
        use_name_server(port)
        outcome = await check(Dns(host="a.test"))
    assert (outcome.status, outcome.message) == (expected_status, message)


async def test_a_silent_name_server_of_ours_is_unknown(check, use_name_server, free_port):
    use_name_server(free_port)
    outcome = await check(Dns(host="a.test"), timeout_ms=150)
    assert (outcome.status, outcome.message) == (UNKNOWN, "no answer from a name server within 0.15 s")
