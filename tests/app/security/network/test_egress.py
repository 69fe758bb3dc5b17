"""Where this process may connect."""

import asyncio
import ssl
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given, strategies as st

from app.domain.system.egress_rules import METADATA
from app.security.network.egress import Egress, EgressDenied
from app.security.network.resolver import Resolver
from schema.settings import EgressPolicy
from tests.actors.probes import certificates

METADATA_V4 = sorted(str(one) for one in METADATA if isinstance(one, IPv4Address))
METADATA_V6 = sorted(str(one) for one in METADATA if isinstance(one, IPv6Address))
PREFIXES = ["::ffff:0:0", "::", "64:ff9b::", "2001:db8:64::"]  # mapped, compatible, NAT64, a NAT64 of somebody's own


@pytest.fixture
def names():
    made = Resolver(lambda host: {"twofold": ("127.0.0.1", "169.254.169.254")}.get(host, ("127.0.0.1",)))
    yield made
    made.close()


@pytest.fixture
def egress(names):
    return Egress(names)


@pytest.fixture
def strict(names):
    return Egress(names, EgressPolicy(allow_private=False))


def allows(policy, address):
    try:
        policy.check(address)
    except EgressDenied:
        return False
    return True


@pytest.mark.parametrize("address", METADATA_V4 + METADATA_V6)
def test_cloud_metadata_is_refused_by_every_policy(egress, strict, address):
    with pytest.raises(EgressDenied, match="cloud metadata"):
        egress.check(address)
    assert not allows(strict, address)


@pytest.mark.parametrize("inner", METADATA_V4)
@pytest.mark.parametrize("prefix", PREFIXES)
def test_metadata_in_the_clothes_of_ipv6_is_refused(egress, prefix, inner):
    assert not allows(egress, str(IPv6Address(int(IPv6Address(prefix)) | int(IPv4Address(inner)))))


@pytest.mark.parametrize(
    "address",
    [
        "64:ff9b:1:a9fe:a9:fe00::",  # RFC 8215: 16 bits, a zero byte, 16 bits
        "2002:a9fe:a9fe::1",  # 6to4
        "2001:0:a9fe:a9fe::1",  # Teredo through that server
        "2001:0:808:808:0:0:5601:5601",  # Teredo to that client
        "fd00:ec2::254%eth0",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "::ffff:255.255.255.255",
    ],
)
def test_other_clothes_and_crowds_are_refused(egress, address):
    assert not allows(egress, address)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:4700::1111", True),
        ("64:ff9b::808:808", True),
        ("127.0.0.1", False),
        ("::1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.7.7", False),
        ("fe80::1%eth0", False),
        ("fd12::1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_checks_may_go_home_and_a_strict_policy_may_not(egress, strict, address, public):
    assert allows(egress, address)
    assert allows(strict, address) is public


@given(st.ip_addresses(v=4))
def test_an_address_is_judged_alike_in_both_families(address):
    for private in (True, False):
        policy = Egress(Resolver.__new__(Resolver), EgressPolicy(allow_private=private))
        assert allows(policy, str(address)) is allows(policy, f"::ffff:{address}")


@pytest.mark.parametrize("host", ["2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "0xa9.0xfea9fe"])
async def test_numbers_in_disguise_are_seen_through(host):
    names = Resolver()  # the system's resolver knows them all
    with pytest.raises(EgressDenied):
        await Egress(names).addresses(host)
    names.close()


async def test_a_host_with_one_denied_address_is_rejected(egress):
    with pytest.raises(EgressDenied):
        await egress.addresses("twofold")


@pytest.mark.parametrize("host", ["127.0.0.1", "one-address", "localhost"])
async def test_a_connection_leads_where_it_should(egress, host):
    async with echoing() as port:
        reader, writer = await egress.open_connection(host, port)
        writer.write(b"words\n")
        assert await reader.readline() == b"words\n"
        writer.close()
        with await egress.socket_to(host, port) as plain:
            assert plain.getpeername() == ("127.0.0.1", port)


async def test_tls_is_verified_for_the_host_or_for_the_name_given(egress, tmp_path):
    async with echoing(certificates.served(tmp_path)) as port:
        _, writer = await egress.open_connection("127.0.0.1", port, ssl=certificates.trust())
        writer.close()
        _, writer = await egress.open_connection(
            "somewhere", port, ssl=certificates.trust(), server_hostname="127.0.0.1"
        )
        writer.close()


async def test_a_name_in_another_script_is_sent_to_a_tls_server_as_names_are_resolved(egress, tmp_path):
    asked = []
    tls = certificates.served(tmp_path)
    tls.sni_callback = lambda _, name, __: asked.append(name)
    async with echoing(tls) as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            await egress.open_connection("127.0.0.1", port, ssl=certificates.trust(), server_hostname="straße.test")
    assert asked == ["xn--strae-oqa.test"]


async def test_the_listening_address_is_chosen():
    names = Resolver(lambda _: ("::1", "127.0.0.1"))
    async with echoing() as port:
        transport, _ = await Egress(names).connect(asyncio.Protocol, "both", port)
        assert transport.get_extra_info("peername")[0] == "127.0.0.1"
        transport.close()
        await asyncio.sleep(0)
    names.close()


class echoing:  # noqa: N801  # read as a verb
    """A server on loopback that echoes what it receives."""

    def __init__(self, tls=None):
        self._tls = tls

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        return self._server.sockets[0].getsockname()[1]

    async def __aexit__(self, *_):
        self._server.close()
        await asyncio.sleep(0.01)

    async def _serve(self, reader, writer):
        writer.write(await reader.readline())
        writer.close()
