"""Hosts as people write them are resolved: brackets, zones, letters beyond ASCII, IPv4-mapped IPv6."""

import asyncio
import contextlib
import socket

import msgspec
import pytest

from actors.probes import open_probe_context, run_probe
from app.domain.config_rules import field_errors
from app.domain.parsing.hosts import native_address, with_wire_hosts
from app.security.network.resolver import Resolver
from schema.proxies import ProxyConfig, ProxyProtocol
from schema.status import Status
from schema.targets import Domain, Http, KafkaProducer, Ping, Ssl, Tcp, WebSocket
from tests import make
from tests.actors.probes.scripted_server import listening
from tests.actors.probes.target import answering, serving

HAS_IPV6 = pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here: boot the kernel without ipv6.disable=1")


@pytest.fixture
async def resolving(settings):
    """Checks with our own name resolution: the outcome, and the names that were looked up."""
    lookups = []

    def lookup(host):
        lookups.append(host)
        return ("127.0.0.1",)

    context = await open_probe_context(settings, names=Resolver(lookup=lookup))

    async def run(target):
        assert not field_errors(target)
        snapshot = make.snapshot(with_wire_hosts(target), timeout_ms=10_000)
        return await run_probe(make.slot(), snapshot, context), lookups

    yield run
    await context.close()


@pytest.mark.parametrize(
    ("host", "name"),
    [("bücher.test", "xn--bcher-kva.test"), ("STRASSE.test", "STRASSE.test"), ("a_b.test", "a_b.test")],
)
async def test_a_name_is_resolved_as_browsers_resolve_it(resolving, host, name):
    async with serving(answering()) as target:
        outcome, lookups = await resolving(Tcp(host=host, port=target.port))
    assert (outcome.status, lookups) == (Status.UP, [name])


@pytest.mark.parametrize("host", ["127.0.0.1", "::ffff:127.0.0.1", "[::ffff:127.0.0.1]"])
async def test_an_address_of_ipv4_is_one_in_any_clothes(resolving, host):
    async with serving(answering()) as target:
        outcome, lookups = await resolving(Tcp(host=host, port=target.port))
        url = f"HTTP://{host if host[0] == '[' or ':' not in host else f'[{host}]'}:{target.port}/"
        by_url, _ = await resolving(Http(url=url))
    assert (outcome.status, outcome.message, by_url.status, by_url.message, lookups) == (
        Status.UP,
        "",
        Status.UP,
        "",
        [],
    )


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(65_536)  # or what is not read would reset the connection
    writer.close()


@HAS_IPV6
@pytest.mark.parametrize("host", ["::1", "[::1]", "[0:0::1]"])
async def test_an_address_of_ipv6_may_have_brackets(resolving, host):
    async with listening(hang_up, host="::1") as port:
        outcome, _ = await resolving(Tcp(host=host, port=port))
        by_url, _ = await resolving(Http(url=f"http://[{host.strip('[]')}]:{port}/"))
    assert (outcome.status, outcome.message) == (Status.UP, "")
    assert by_url.message == "the connection was closed without an answer"


async def test_an_unknown_ipv6_zone_is_down_with_a_plain_message(resolving):
    for target in (Http(url="http://[fe80::1%25nosuch0]/"), Tcp(host="fe80::1%nosuch0", port=80)):
        outcome, _ = await resolving(target)
        assert outcome.status is Status.DOWN
        assert outcome.message == "this machine has no way to that address: is its zone an interface here?"


@pytest.mark.parametrize("host", ["::ffff:127.0.0.1", "[::ffff:7f00:1]"])
async def test_icmp_goes_there_too(resolving, host):
    outcome, _ = await resolving(Ping(host=host))
    assert (outcome.status, outcome.message) == (Status.UP, "")


def test_an_address_of_ipv4_is_itself():
    assert [native_address(one) for one in ("::ffff:10.0.0.1", "::1", "10.0.0.1", "fe80::1%lo")] == [
        "10.0.0.1",
        "::1",
        "10.0.0.1",
        "fe80::1%lo",
    ]


async def test_a_scheme_has_no_case(resolving):
    async with serving(answering()) as target:
        outcome, _ = await resolving(Http(url=f"HtTp://127.0.0.1:{target.port}/"))
        socket_, _ = await resolving(WebSocket(url=f"WS://127.0.0.1:{target.port}/"))
    assert (outcome.status, socket_.message) == (Status.UP, "no WebSocket: the server answered 200")


@pytest.mark.parametrize(
    ("config", "changes"),
    [
        (Ssl(host="bücher.test", server_name="[::1]"), {"host": "xn--bcher-kva.test", "server_name": "::1"}),
        (Domain(domain="bücher.test"), {"domain": "xn--bcher-kva.test"}),
        (
            KafkaProducer(brokers=["bücher.test:9092", "[::1]:9092"], topic="a", message="b"),
            {"brokers": ["xn--bcher-kva.test:9092", "::1:9092"]},
        ),
        (ProxyConfig(protocol=ProxyProtocol.HTTP, host="[::1]", port=1), {"host": "::1"}),
        (Tcp(host="a.test", port=1), {}),
        (Tcp(host="a b", port=1), {}),
    ],
)
def test_every_field_that_holds_a_host_is_made_ready(config, changes):
    ready = with_wire_hosts(config)
    assert ready == msgspec.structs.replace(config, **changes)
    with contextlib.suppress(AttributeError):
        assert ready.host.isascii()
