"""One table of addresses that a policy refuses, for every user of the network: checks, tokens, proxies, channels."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from actors import probes
from actors.senders.kit import context
from app.security.network.egress import Egress, EgressDenied
from app.security.network.resolver import Resolver
from app.settings import Settings
from schema import channels, targets
from schema.proxies import ProxyConfig, ProxyProtocol
from schema.settings import EgressPolicy
from schema.targets import Http, Website
from schema.targets.http import OAuth2
from tests.actors.egress_users import NUMBERS_ONLY, USERS, Kit, User, check_message
from tests.actors.probes.target import answering, redirecting, serving

METADATA = ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"]
DISGUISED_METADATA = ["2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518"]
NOT_PUBLIC = [
    *("127.0.0.1", "127.8.9.1", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1"),
    *("2002:7f00:1::1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.7.7", "fd00::1", "fe80::1"),
    *("64:ff9b::a00:1", "64:ff9b:1:a00:0:100::", "2002:c0a8:101::1", "::ffff:10.0.0.1"),
]
DISGUISED = ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1", "0", "localhost"]
EVERYWHERE = [*METADATA, *NOT_PUBLIC]
UNREADABLE = "the address is not one that the service understands"  # Apprise's services take no host in such clothes
REFUSALS = ("cloud metadata address: refused", "not a public address: refused", "denied: refused", UNREADABLE)
URL_FIELDS = ("url", "token_url", "server_url", "webhook_url", "endpoint_url", "rdap_url", "resolver_url")
SCHEMES = ("file", "gopher", "ftp", "dict", "jar", "ldap", "sftp", "tftp", "netdoc", "data", "javascript", "unix")
PORT = 9


@pytest.fixture
async def kit(settings: Settings) -> AsyncIterator[Kit]:
    async with opened(settings, Resolver()) as made:
        yield made


@asynccontextmanager
async def opened(settings: Settings, names: Resolver) -> AsyncIterator[Kit]:
    made = Kit(await probes.open_probe_context(settings, names=names), context.make_context(names))
    try:
        yield made
    finally:
        await made.probe_context.close()
        await made.sender_context.close()


def follow(kit: Kit, **policy: object) -> None:
    for egress in (kit.probe_context.egress_by_setting() | kit.sender_context.egress_by_setting()).values():
        egress.use_policy(EgressPolicy(**policy))  # type: ignore[arg-type]  # fields of a policy


def is_refused(message: str) -> bool:
    return any(one in message for one in REFUSALS)


async def not_refused(user: User, kit: Kit, hosts: list[str], port: int = PORT) -> dict[str, str]:
    """The hosts that were not refused, and their messages."""
    messages = {host: await user(kit, host, port) for host in hosts}
    return {host: message for host, message in messages.items() if not is_refused(message)}


def test_every_provider_is_in_the_corpus() -> None:
    assert set(channels.PROVIDERS) <= set(USERS)


@pytest.mark.parametrize("name", USERS)
async def test_private_addresses_are_refused_when_the_policy_denies_them(kit: Kit, name: str) -> None:
    follow(kit, allow_private=False)
    async with serving(answering()) as target:
        hosts = [*EVERYWHERE, *DISGUISED, *DISGUISED_METADATA]
        assert await not_refused(USERS[name], kit, hosts, target.port) == {}
        assert target.heads == []


@pytest.mark.parametrize("name", USERS)
async def test_metadata_addresses_are_refused_by_default(kit: Kit, name: str) -> None:
    assert await not_refused(USERS[name], kit, [*METADATA, *DISGUISED_METADATA]) == {}


@pytest.mark.parametrize("name", USERS)
async def test_denied_networks_are_refused(kit: Kit, name: str) -> None:
    follow(kit, deny=["127.0.0.0/8", "::1"])
    hosts = ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "64:ff9b::7f00:1", "localhost", "127.1"]
    assert await not_refused(USERS[name], kit, hosts) == {}


@pytest.mark.parametrize("name", NUMBERS_ONLY)
async def test_name_servers_are_subject_to_the_same_policy(kit: Kit, name: str) -> None:
    assert await not_refused(NUMBERS_ONLY[name], kit, METADATA) == {}
    follow(kit, allow_private=False)
    assert await not_refused(NUMBERS_ONLY[name], kit, EVERYWHERE) == {}


@pytest.mark.parametrize("name", USERS)
async def test_a_rebound_dns_name_is_refused(settings: Settings, name: str) -> None:
    looks = iter(["93.184.215.14"])
    async with (
        serving(answering()) as target,
        opened(settings, Resolver(lambda _: (next(looks, "127.0.0.1"),), cache_s=0)) as kit,
    ):
        follow(kit, allow_private=False)
        await USERS[name](kit, "turncoat.example", target.port)
        assert is_refused(await USERS[name](kit, "turncoat.example", target.port))
    assert target.heads == []


@pytest.mark.parametrize(
    "name", sorted(USERS.keys() - {"a caged request"})
)  # the sender that runs it catches what breaks it
async def test_an_internal_error_in_a_lookup_is_reported_as_ours(settings: Settings, name: str) -> None:
    def fail_lookup(host: str) -> tuple[str, ...]:
        raise KeyError(host)

    async with opened(settings, Resolver(fail_lookup)) as kit:
        message = await USERS[name](kit, "server.example", PORT)
    assert message == "a fault in Watchkeeper (KeyError); its log has more"


@pytest.mark.parametrize("kind", [Http, Website])
@pytest.mark.parametrize("host", [*METADATA, "127.0.0.2", "[::1]", "0x7f.2", "10.0.0.1"])
async def test_a_redirect_is_subject_to_the_same_policy(kit: Kit, kind: type, host: str) -> None:
    follow(kit, allow_private=False, allow=["127.0.0.1"])
    there = f"[{host}]" if ":" in host and not host.startswith("[") else host
    async with serving(redirecting(f"http://{there}:9/")) as target:
        assert is_refused(await check_message(kit, kind(url=target.url())))
        assert len(target.heads) == 1


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_redirect_to_what_is_no_http_is_not_followed(kit: Kit, scheme: str) -> None:
    async with serving(redirecting(f"{scheme}://127.0.0.1:9/etc/passwd")) as target:
        message = await check_message(kit, Http(url=target.url()))
    assert message == "redirected to something that is no http address"


def addressed() -> list[tuple[type, str]]:
    """Every struct with a field that takes an address."""
    theirs = {channels.Apprise}  # its addresses are no web addresses: tests/app/domain/test_addressed.py
    kinds = [*targets.TARGETS.values(), *(one for one in channels.PROVIDERS.values() if one not in theirs), OAuth2]
    return [(kind, field) for kind in kinds for field in URL_FIELDS if field in kind.__struct_fields__]


@pytest.mark.parametrize(("kind", "field"), addressed(), ids=lambda one: getattr(one, "__name__", one))
def test_an_address_is_of_the_web_and_holds_no_credentials(kind: type, field: str) -> None:
    info = next(one for one in msgspec.structs.fields(kind) if one.name == field)
    bad = [f"{scheme}://example.org/x" for scheme in SCHEMES]
    bad += [
        "http://ann:sesame@example.org/",
        "https://ann@example.org/",
        "//example.org/",
        "http:example.org",
        "http://",
    ]
    for url in bad:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(url, info.type)


async def test_each_use_has_a_policy_of_its_own(kit: Kit) -> None:
    kit.sender_context.egress_by_setting()["egress.webhooks"].use_policy(EgressPolicy(allow_private=False))
    kit.probe_context.egress_by_setting()["egress.oauth"].use_policy(EgressPolicy(allow_private=False))
    async with serving(answering()) as target:
        messages = {
            name: await USERS[name](kit, "127.0.0.1", target.port) for name in ("http", "oauth", "webhook", "ntfy")
        }
    assert {name: is_refused(message) for name, message in messages.items()} == {
        "http": False,
        "oauth": True,
        "webhook": True,
        "ntfy": False,
    }


async def test_a_token_request_reaches_its_proxy_by_the_policy_of_checks(kit: Kit) -> None:
    kit.probe_context.egress_by_setting()["egress.oauth"].use_policy(EgressPolicy(allow_private=False))
    auth = OAuth2(token_url="http://93.184.215.14/", client_id="c", client_secret="s")
    proxy = ProxyConfig(protocol=ProxyProtocol.SOCKS5, host="127.0.0.1", port=PORT)
    message = await check_message(kit, Http(url="http://93.184.215.14/", auth=auth, proxy_id="some"), proxy=proxy)
    assert message == "the proxy can't be reached: connection refused"


@pytest.mark.parametrize(
    ("policy", "reached", "refused"),
    [
        (
            {"allow_private": False, "allow": ["10.0.0.0/8"]},
            ["10.1.2.3", "::ffff:10.1.2.3"],
            ["192.168.0.1", "127.0.0.1"],
        ),
        ({"deny": ["0.0.0.0/0"], "allow": ["10.1.0.0/16"]}, ["10.1.2.3"], ["10.2.0.1", "93.184.215.14"]),
        ({"deny": ["10.0.0.0/8"], "allow": ["10.0.0.0/8"]}, ["192.168.0.1"], ["10.0.0.1"]),
        ({"allow": ["169.254.169.254"]}, ["169.254.169.254"], ["169.254.170.2"]),
        ({"allow": ["169.254.0.0/16", "::/0"]}, ["169.254.7.7"], ["169.254.169.254", "::ffff:169.254.169.254"]),
        ({"allow_private": False, "allow": ["::/0"]}, ["fd00::1"], ["::ffff:10.0.0.1", "64:ff9b::a00:1"]),
    ],
)
def test_the_narrowest_network_decides(
    kit: Kit, policy: dict[str, Any], reached: list[str], refused: list[str]
) -> None:
    follow(kit, **policy)
    assert [one for one in reached + refused if lets_through(kit.probe_context.egress, one)] == reached


def lets_through(egress: Egress, address: str) -> bool:
    try:
        egress.check(address)
    except EgressDenied:
        return False
    return True
