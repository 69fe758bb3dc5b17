"""Messages through real proxies: every provider, e-mail, and Apprise; and whose failure an error names."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.senders import DeliveryError, SendReport, make_context, send
from actors.senders.kit.context import SenderContext
from schema.channels import Apprise, ChannelConfig
from schema.deliveries import RecipientOutcome
from schema.proxies import ProxyConfig, ProxyProtocol
from schema.settings import EgressPolicy
from tests.actors.probes import certificates
from tests.actors.probes.scripted_server import behind_tls
from tests.actors.probes.servers_proxies import dante, microsocks, tinyproxy
from tests.actors.senders import sample_messages
from tests.actors.senders.mailhost import PASSWORD, USER, mailhost, server_tls
from tests.actors.senders.sample_messages import HTTP_PROVIDERS, channel
from tests.receiver import Order, Receiver

__all__ = ["dante", "microsocks", "tinyproxy"]

ANN = {"username": "ann", "password": "sesame"}
TUNNELS = [ProxyProtocol.SOCKS4, ProxyProtocol.SOCKS5, ProxyProtocol.SOCKS5H]
WITH_SMTP = [one for one in ProxyProtocol if one is not ProxyProtocol.HTTPS]


def through(protocol: ProxyProtocol, port: int, **changes: str) -> ProxyConfig:
    return ProxyConfig(protocol=protocol, host="127.0.0.1", port=port, **changes)


def connections() -> list[Path]:
    """The sockets of this process that are open."""
    return [one for one in Path("/proc/self/fd").iterdir() if one.is_symlink() and "socket" in str(one.readlink())]


def proxied(provider: str, receiver: Receiver) -> ChannelConfig:
    """A channel of that provider with a proxy."""
    if provider == "apprise":
        return Apprise(url=f"json://127.0.0.1:{receiver.url.rpartition(':')[2]}/", proxy_id="some")
    config: ChannelConfig = channel(provider, receiver.url, proxy_id="some")
    return config


async def undelivered(config: ChannelConfig, context: SenderContext, proxy: ProxyConfig | None) -> DeliveryError:
    with pytest.raises(DeliveryError) as failed:
        await send(config, sample_messages.message(), context, proxy=proxy)
    return failed.value


@pytest.mark.parametrize("provider", [*HTTP_PROVIDERS, "apprise"])
async def test_every_provider_sends_through_an_http_proxy(
    provider: str, receiver: Receiver, context: SenderContext, tinyproxy: int
) -> None:
    receiver.answer(Order(body='{"errcode": 0}'))  # WeCom's "accepted"; the others need none
    config = proxied(provider, receiver)
    await send(config, sample_messages.message(), context, proxy=through(ProxyProtocol.HTTP, tinyproxy, **ANN))
    assert receiver.arrivals
    assert all("(tinyproxy/" in arrival.headers["Via"] for arrival in receiver.arrivals)
    assert not any("Proxy-Authorization" in arrival.headers for arrival in receiver.arrivals)


@pytest.mark.parametrize("provider", ["webhook", "webpush", "slack", "apprise"])
@pytest.mark.parametrize("protocol", [ProxyProtocol.SOCKS5, ProxyProtocol.SOCKS5H])
async def test_a_message_goes_through_socks(
    provider: str, protocol: ProxyProtocol, receiver: Receiver, context: SenderContext, microsocks: int
) -> None:
    config = proxied(provider, receiver)
    await send(config, sample_messages.message(), context, proxy=through(protocol, microsocks, **ANN))
    wrong = await undelivered(config, context, through(protocol, microsocks, username="ann", password="s3cr3t-wrong"))
    assert len(receiver.arrivals) == 1
    assert not wrong.permanent
    assert "s3cr3t-wrong" not in wrong.reason


@pytest.mark.parametrize("protocol", TUNNELS)
async def test_a_server_s_name_works_with_every_socks_protocol(
    protocol: ProxyProtocol, receiver: Receiver, context: SenderContext, dante: int
) -> None:
    config = channel("ntfy", receiver.url.replace("127.0.0.1", "localhost"), proxy_id="some")
    await send(config, sample_messages.message(), context, proxy=through(protocol, dante))
    assert len(receiver.arrivals) == 1


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
@pytest.mark.parametrize("protocol", WITH_SMTP)
async def test_an_e_mail_goes_through_a_proxy(
    protocol: ProxyProtocol,
    security: str,
    context: SenderContext,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    is_http = protocol is ProxyProtocol.HTTP
    port = request.getfixturevalue("tinyproxy" if is_http else "dante")
    proxy = through(protocol, port, **(ANN if is_http else {}))
    tls = server_tls(tmp_path) if security != "none" else None
    with mailhost(tls=tls, starttls=security == "starttls", auth=True) as host:
        login = {"username": USER, "password": PASSWORD, "ignore_tls_errors": True, "security": security}
        config = sample_messages.smtp(host.port, host="localhost", proxy_id="some", **login)
        n_open = len(connections())
        await send(config, sample_messages.message(), context, proxy=proxy)
        assert len(host.letters) == 1
        async with asyncio.timeout(20):
            while len(connections()) > n_open:  # the end of TLS comes from behind the proxy
                await asyncio.sleep(0.02)


async def test_an_untrusted_mail_server_behind_a_proxy_is_refused(
    context: SenderContext, tmp_path: Path, dante: int
) -> None:
    with mailhost(tls=server_tls(tmp_path)) as host:
        config = sample_messages.smtp(host.port, security="tls", proxy_id="some")
        failed = await undelivered(config, context, through(ProxyProtocol.SOCKS5, dante))
        assert host.letters == []
    assert (failed.permanent, failed.reason.startswith("the server's certificate is not valid")) == (False, True)


@pytest.mark.parametrize("provider", ["webhook", "smtp", "apprise"])
@pytest.mark.parametrize("protocol", WITH_SMTP)
async def test_nothing_is_sent_around_a_proxy_that_is_away(
    provider: str, protocol: ProxyProtocol, receiver: Receiver, context: SenderContext
) -> None:
    with mailhost() as host:
        smtp = sample_messages.smtp(host.port, proxy_id="some")
        config = smtp if provider == "smtp" else proxied(provider, receiver)
        failed = await undelivered(config, context, through(protocol, 1))
        assert host.letters == []
    assert (failed.permanent, receiver.arrivals) == (False, [])
    assert failed.reason.startswith("the proxy can't be reached")


@pytest.mark.parametrize("provider", [*HTTP_PROVIDERS, "apprise"])
async def test_nothing_is_sent_directly_when_the_proxy_is_gone(
    provider: str, receiver: Receiver, context: SenderContext
) -> None:
    failed = await undelivered(proxied(provider, receiver), context, None)
    assert (failed.reason, failed.permanent) == ("the proxy of this channel is gone", False)
    assert receiver.arrivals == []


@pytest.mark.parametrize("login", [{}, {"username": "ann", "password": "s3cr3t-wrong"}])
async def test_credentials_that_an_http_proxy_refuses_are_temporary(
    login: dict[str, str], context: SenderContext, tinyproxy: int
) -> None:
    proxy = through(ProxyProtocol.HTTP, tinyproxy, **login)
    smtp, ntfy = sample_messages.smtp(9, proxy_id="some"), channel("ntfy", "https://127.0.0.1:9", proxy_id="some")
    for config in (smtp, ntfy):
        failed = await undelivered(config, context, proxy)
        assert not failed.permanent
        assert failed.reason.startswith("the proxy does not let us through: it answered 40")
        assert "s3cr3t-wrong" not in failed.reason


async def test_an_http_proxy_that_asks_for_a_login_is_temporary(
    receiver: Receiver, context: SenderContext, tinyproxy: int
) -> None:
    failed = await undelivered(proxied("ntfy", receiver), context, through(ProxyProtocol.HTTP, tinyproxy))
    assert (failed.permanent, receiver.arrivals) == (False, [])
    assert failed.reason == "the proxy does not let us through: it answered 407"


async def test_a_proxy_that_asks_for_a_login_refuses_no_recipient(
    receiver: Receiver, context: SenderContext, tinyproxy: int
) -> None:
    report, proxy = SendReport(), through(ProxyProtocol.HTTP, tinyproxy)
    people = ["+12025550123", "+12025550124"]
    config = channel("signal", receiver.url, recipients=people, proxy_id="some")
    with pytest.raises(DeliveryError) as failed:
        await send(config, sample_messages.message(), context, report=report, proxy=proxy)
    assert not failed.value.permanent
    assert {name: one.outcome for name, one in report.results.items()} == dict.fromkeys(people, RecipientOutcome.LATER)


async def test_a_proxy_that_is_away_refuses_no_recipient(receiver: Receiver, context: SenderContext) -> None:
    report, proxy = SendReport(), through(ProxyProtocol.SOCKS5, 1, username="ann", password="s3cr3t")
    config = channel("signal", receiver.url, recipients=["+12025550123"], proxy_id="some")
    with pytest.raises(DeliveryError) as failed:
        await send(config, sample_messages.message(), context, report=report, proxy=proxy)
    assert not failed.value.permanent
    assert [one.outcome for one in report.results.values()] == [RecipientOutcome.LATER]


@pytest.mark.parametrize("provider", ["webhook", "ntfy", "apprise"])
@pytest.mark.parametrize("has_proxy", [False, True])
async def test_a_receiver_that_asks_for_the_login_of_a_proxy_refuses_the_channel(
    provider: str, *, has_proxy: bool, receiver: Receiver, context: SenderContext, microsocks: int
) -> None:
    receiver.answer(Order(status=407))
    config = replace(proxied(provider, receiver), proxy_id="some" if has_proxy else "")
    failed = await undelivered(config, context, through(ProxyProtocol.SOCKS5, microsocks, **ANN) if has_proxy else None)
    assert (failed.permanent, failed.channel_level) == (True, True)
    assert failed.reason.startswith("answered 407 Proxy Authentication Required")


async def test_the_certificate_of_an_https_proxy_is_checked(
    receiver: Receiver, context: SenderContext, tinyproxy: int, tmp_path: Path
) -> None:
    async with behind_tls(tinyproxy, certificates.served(tmp_path)) as port:
        failed = await undelivered(proxied("ntfy", receiver), context, through(ProxyProtocol.HTTPS, port, **ANN))
    assert "certificate is not valid" in failed.reason
    assert receiver.arrivals == []


@pytest.mark.parametrize("provider", ["webhook", "ntfy", "smtp", "apprise"])
@pytest.mark.parametrize("protocol", WITH_SMTP)
async def test_the_egress_policy_applies_to_the_proxy(
    provider: str, protocol: ProxyProtocol, receiver: Receiver
) -> None:
    strict = make_context()
    for egress in strict.egress_by_setting().values():
        egress.use_policy(EgressPolicy(deny=["127.0.0.9/32"]))
    config = sample_messages.smtp(25, proxy_id="some") if provider == "smtp" else proxied(provider, receiver)
    proxy = ProxyConfig(protocol=protocol, host="127.0.0.9", port=9)
    failed = await undelivered(config, strict, proxy)
    await strict.close()
    assert (failed.permanent, failed.channel_level) == (True, True)
    assert "is in a network that is denied" in failed.reason


@pytest.mark.parametrize("provider", ["webhook", "ntfy", "smtp"])
@pytest.mark.parametrize("protocol", WITH_SMTP)
async def test_a_metadata_address_is_refused_through_a_proxy(
    provider: str, protocol: ProxyProtocol, context: SenderContext
) -> None:
    address = "169.254.169.254"
    smtp = sample_messages.smtp(25, host=address, proxy_id="some")
    config = smtp if provider == "smtp" else channel(provider, f"http://{address}", proxy_id="some")
    failed = await undelivered(config, context, through(protocol, 1))
    assert failed.permanent
    assert "metadata" in failed.reason
