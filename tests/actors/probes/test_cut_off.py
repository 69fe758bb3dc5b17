"""Checks without a server program in these tests, and messages: cut off anywhere, they leave nothing open."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

import pytest

from actors.senders import send
from actors.senders.kit.context import make_context
from schema.proxies import ProxyConfig, ProxyProtocol
from schema.targets import Domain, Http, Ssl, Tcp, Website
from tests.actors.probes import certificates
from tests.actors.probes.cut_off import leaks_when_cut_off
from tests.actors.probes.scripted_server import replying, saying, talking
from tests.actors.probes.servers_proxies import microsocks, tinyproxy
from tests.actors.probes.target import answering, serving
from tests.actors.senders import sample_messages
from tests.actors.senders.mailhost import mailhost, server_tls

__all__ = ["microsocks", "tinyproxy"]

ANN = {"username": "ann", "password": "sesame"}


async def test_the_tool_finds_what_is_left_open():
    async def forget(port: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(0)
        writer.transport.abort()

    async with talking(saying(b"", then_hanging=True)) as port:
        leaks = await leaks_when_cut_off(partial(forget, port))
    assert leaks
    assert all("unclosed" in one for one in leaks)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_check_over_http_leaves_nothing(check, tmp_path, scheme):
    tls = certificates.served(tmp_path) if scheme == "https" else None
    async with serving(answering(b"<title>shop</title>"), tls=tls) as target:
        url = target.url(scheme=scheme)
        for one in (Http(url=url), Website(url=url, expected_content="shop")):
            assert not await leaks_when_cut_off(partial(check, one))


@pytest.mark.parametrize("protocol", [ProxyProtocol.SOCKS5, ProxyProtocol.HTTP])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_check_through_a_proxy_leaves_nothing(check, tmp_path, microsocks, tinyproxy, protocol, scheme):
    port = tinyproxy if protocol is ProxyProtocol.HTTP else microsocks
    proxy = ProxyConfig(protocol=protocol, host="127.0.0.1", port=port, **ANN)
    tls = certificates.served(tmp_path) if scheme == "https" else None
    async with serving(answering(), tls=tls) as target:
        watched = Http(url=target.url(scheme=scheme), proxy_id="some")
        assert not await leaks_when_cut_off(partial(check, watched, proxy=proxy))


async def test_a_check_over_tcp_or_tls_leaves_nothing(check, tmp_path):
    async with talking(replying(b"hello")) as port:
        for one in (
            Tcp(host="127.0.0.1", port=port),
            Tcp(host="127.0.0.1", port=port, send="hello?", expect="hello"),
            Domain(
                domain="shop.example",
                rdap_url=f"http://127.0.0.1:{port}",
                whois_server="127.0.0.1",
                whois_port=port,
            ),
        ):
            assert not await leaks_when_cut_off(partial(check, one))
    async with talking(replying(b"hello"), tls=certificates.served(tmp_path)) as port:
        assert not await leaks_when_cut_off(partial(check, Ssl(host="localhost", port=port)))


@pytest.mark.parametrize("provider", ["webhook", "telegram", "matrix", "smtp", "smtp with STARTTLS"])
async def test_a_message_leaves_nothing(provider, tmp_path):
    async with AsyncExitStack() as stack:
        if provider.startswith("smtp"):
            encrypted = provider != "smtp"
            host = stack.enter_context(mailhost(tls=server_tls(tmp_path) if encrypted else None, starttls=encrypted))
            security = {"security": "starttls", "ignore_tls_errors": True} if encrypted else {}
            config = sample_messages.smtp(host.port, **security)
        else:
            target = await stack.enter_async_context(serving(answering(b'{"ok": true}')))
            config = sample_messages.channel(provider, target.url("").rstrip("/"))
        context = make_context()
        stack.push_async_callback(context.close)
        assert not await leaks_when_cut_off(partial(send, config, sample_messages.message(), context))
