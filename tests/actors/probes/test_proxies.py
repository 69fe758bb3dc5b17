"""Checks through real proxies: the requests, what the target does not get, and which side an error names."""

import pytest

from schema.proxies import ProxyConfig, ProxyProtocol
from schema.status import Status
from schema.targets import Http, Website
from tests.actors.probes import certificates
from tests.actors.probes.scripted_server import behind_tls
from tests.actors.probes.servers_proxies import dante, microsocks, tinyproxy
from tests.actors.probes.target import answering, flooding, redirecting, serving, silent

__all__ = ["dante", "microsocks", "tinyproxy"]

UP, DOWN, UNKNOWN = Status.UP, Status.DOWN, Status.UNKNOWN
ANN = {"username": "ann", "password": "sesame"}
SOCKS = [ProxyProtocol.SOCKS5, ProxyProtocol.SOCKS5H]


def through(protocol: ProxyProtocol, port: int, **changes) -> ProxyConfig:
    return ProxyConfig(protocol=protocol, host="127.0.0.1", port=port, **changes)


def watched(url: str, **fields) -> Http:
    return Http(url=url, proxy_id="some", **fields)


async def test_a_plain_address_goes_through_an_http_proxy(check, tinyproxy):
    async with serving(answering()) as target:
        outcome = await check(watched(target.url("/x")), proxy=through(ProxyProtocol.HTTP, tinyproxy, **ANN))
    assert outcome.status is UP
    assert "(tinyproxy/" in target.heads[0]
    assert "Proxy-Authorization" not in target.heads[0]


@pytest.mark.parametrize("ignoring", [False, True])
async def test_a_tls_address_goes_through_a_tunnel(check, tinyproxy, tmp_path, ignoring):
    async with serving(answering(), tls=certificates.served(tmp_path)) as target:
        url, proxy = target.url(scheme="https"), through(ProxyProtocol.HTTP, tinyproxy, **ANN)
        outcome = await check(watched(url, ignore_tls_errors=ignoring), proxy=proxy, detailed=True)
    assert outcome.status is UP
    assert "Proxy-Authorization" not in target.heads[0]
    assert outcome.detail["certificate"]["subject"] == "CN=the target"


async def test_the_proxy_itself_can_use_tls(check, tinyproxy, tmp_path):
    async with behind_tls(tinyproxy, certificates.served(tmp_path)) as port:
        proxy = through(ProxyProtocol.HTTPS, port, **ANN)
        async with serving(answering()) as target:
            plain = await check(watched(target.url()), proxy=proxy)
        async with serving(answering(), tls=certificates.served(tmp_path)) as target:
            inside = await check(watched(target.url(scheme="https")), proxy=proxy)
    assert (plain.status, inside.status) == (UP, UP), (plain, inside)


@pytest.mark.parametrize("protocol", SOCKS)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_an_address_goes_through_socks(check, microsocks, tmp_path, protocol, scheme):
    tls = certificates.served(tmp_path) if scheme == "https" else None
    async with serving(answering(), tls=tls) as target:
        outcome = await check(watched(target.url(scheme=scheme)), proxy=through(protocol, microsocks, **ANN))
    assert outcome.status is UP


@pytest.mark.parametrize("protocol", [ProxyProtocol.SOCKS4, *SOCKS])
async def test_a_target_name_works_with_every_socks_protocol(check, dante, protocol):
    async with serving(answering(), host="localhost") as target:
        outcome = await check(watched(target.url()), proxy=through(protocol, dante))
    assert outcome.status is UP
    assert target.heads[0].startswith("GET / HTTP/1.1\r\nHost: localhost")


async def test_a_website_and_a_redirect_go_the_same_way(check, microsocks):
    proxy = through(ProxyProtocol.SOCKS5, microsocks, **ANN)
    async with serving(answering(b"hello")) as end, serving(redirecting(end.url())) as begin:
        outcome = await check(Website(url=begin.url(), proxy_id="some", expected_content="hello"), proxy=proxy)
    assert outcome.status is UP


@pytest.mark.parametrize("protocol", SOCKS)
async def test_a_target_unreachable_for_the_proxy_is_down(check, dante, free_port, protocol):
    outcome = await check(watched(f"http://127.0.0.1:{free_port}/"), proxy=through(protocol, dante))
    assert (outcome.status, outcome.message) == (DOWN, "connection refused, says the proxy")


async def test_a_target_unreachable_for_an_http_proxy_is_down(check, tinyproxy, free_port):
    proxy = through(ProxyProtocol.HTTP, tinyproxy, **ANN)
    tunnel = await check(watched(f"https://127.0.0.1:{free_port}/"), proxy=proxy)
    plain = await check(watched(f"http://127.0.0.1:{free_port}/"), proxy=proxy)
    assert (tunnel.status, plain.status) == (DOWN, DOWN)
    assert tunnel.message.startswith("the proxy could not reach it and answered 50")


@pytest.mark.parametrize("protocol", list(ProxyProtocol))
async def test_a_missing_proxy_does_not_make_the_target_down(check, free_port, protocol):
    async with serving(answering()) as target:
        outcome = await check(watched(target.url()), proxy=through(protocol, free_port))
    assert (outcome.status, target.heads) == (UNKNOWN, [])
    assert outcome.message.startswith("the proxy can't be reached: connection refused")


async def test_credentials_that_the_proxy_does_not_take_are_ours(check, microsocks, tinyproxy):
    wrong = {"username": "ann", "password": "s3cret"}
    socks = await check(watched("http://127.0.0.1:9/"), proxy=through(ProxyProtocol.SOCKS5, microsocks, **wrong))
    tunnel = await check(watched("https://127.0.0.1:9/"), proxy=through(ProxyProtocol.HTTP, tinyproxy, **wrong))
    assert (socks.status, tunnel.status) == (UNKNOWN, UNKNOWN)
    assert tunnel.message.startswith("the proxy does not let us through: it answered 40")
    assert "s3cret" not in socks.message + tunnel.message


async def test_a_rule_of_the_proxy_does_not_make_the_target_down(check, dante):
    outcome = await check(watched("http://127.0.0.66:9/"), proxy=through(ProxyProtocol.SOCKS5, dante))
    assert (outcome.status, outcome.message) == (
        UNKNOWN,
        "the proxy does not let us through: connection not allowed by ruleset",
    )


@pytest.mark.parametrize("protocol", list(ProxyProtocol))
@pytest.mark.parametrize("host", ["169.254.169.254", "0xA9FEA9FE", "[::ffff:a9fe:a9fe]"])
async def test_cloud_metadata_is_refused_through_a_proxy(check, free_port, protocol, host):
    outcome = await check(watched(f"http://{host}/latest/"), proxy=through(protocol, free_port))
    assert outcome.status is UNKNOWN
    assert "is a cloud metadata address" in outcome.message


@pytest.mark.parametrize("protocol", list(ProxyProtocol))
async def test_the_proxys_own_address_is_judged(check, protocol):
    proxy = ProxyConfig(protocol=protocol, host="169.254.169.254", port=80)
    outcome = await check(watched("http://127.0.0.1:9/"), proxy=proxy)
    assert outcome.status is UNKNOWN
    assert "169.254.169.254 is a cloud metadata address" in outcome.message


@pytest.mark.parametrize("protocol", list(ProxyProtocol))
@pytest.mark.parametrize("script", [silent, flooding])
async def test_a_proxy_that_hangs_or_babbles_is_cut_off(check, protocol, script):
    async with serving(script) as nonsense:
        outcome = await check(watched("https://127.0.0.1:9/"), proxy=through(protocol, nonsense.port), timeout_ms=400)
    assert outcome.status in {DOWN, UNKNOWN}


async def test_a_deleted_proxy_is_reported(check):
    outcome = await check(watched("http://127.0.0.1:9/"))
    assert (outcome.status, outcome.message) == (UNKNOWN, "the proxy of this monitor is gone")
