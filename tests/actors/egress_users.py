"""Every part that opens connections, as a function that connects to a host and returns the resulting message."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from actors import probes, senders
from actors.apprise_sandbox.protocol import SandboxHttpRequest
from actors.senders import DeliveryError
from actors.senders.kit.sandbox_requests import SandboxRequests
from schema.channels import Apprise, ChannelConfig, Discord, Ntfy, Slack, Smtp, Telegram, Webhook
from schema.proxies import ProxyConfig, ProxyProtocol
from schema.targets import (
    Dns,
    Docker,
    Domain,
    Grpc,
    Http,
    KafkaProducer,
    Ldap,
    Mail,
    MailProtocol,
    Mongodb,
    Mqtt,
    Mysql,
    Ntp,
    Ping,
    Postgres,
    Rabbitmq,
    Redis,
    Snmp,
    Sqlserver,
    Ssh,
    Ssl,
    Steam,
    Target,
    Tcp,
    Website,
    WebSocket,
)
from schema.targets.http import OAuth2
from tests import make
from tests.actors.senders import alarm_channels, sample_messages
from tests.actors.senders.chats import CHATS, chats


class Kit(NamedTuple):
    """The tools of a worker."""

    probe_context: probes.ProbeContext
    sender_context: senders.SenderContext


User = Callable[[Kit, str, int], Awaitable[str]]

CLOSED_URL = "http://127.0.0.1:9/"  # also refused by the corpus: the first address must be refused first


def bracketed(host: str) -> str:
    """The host as it stands in an address."""
    return f"[{host}]" if ":" in host else host


def checking(make_target: Callable[[str, int], Target], *, detailed: bool = False) -> User:
    """A check of that target; returns its message."""

    async def use(kit: Kit, host: str, port: int) -> str:
        return await check_message(kit, make_target(host, port), detailed=detailed)

    return use


def checking_url(make_target: Callable[[str], Target], scheme: str = "http", *, detailed: bool = False) -> User:
    """The same for targets with an address."""
    return checking(lambda host, port: make_target(f"{scheme}://{bracketed(host)}:{port}/"), detailed=detailed)


def sending_to(make_channel: Callable[[str, int], ChannelConfig]) -> User:
    """A message through that channel; returns why it was not delivered."""

    async def use(kit: Kit, host: str, port: int) -> str:
        try:
            await senders.send(make_channel(host, port), sample_messages.message(), kit.sender_context, timeout_s=15)
        except DeliveryError as failed:
            return failed.reason
        return "sent"

    return use


def sending_to_url(make_channel: Callable[[str], ChannelConfig]) -> User:
    """The same for channels with an address."""
    return sending_to(lambda host, port: make_channel(f"http://{bracketed(host)}:{port}/x"))


def paging(name: str) -> User:
    """A message through a service that pages, texts, mails or pushes."""
    return sending_to_url(lambda url: alarm_channels.channels_at(url.removesuffix("/x"))[name])


def through(protocol: ProxyProtocol) -> User:
    """A check by way of a proxy that is at the host."""

    async def use(kit: Kit, host: str, port: int) -> str:
        proxy = ProxyConfig(protocol=protocol, host=host, port=port)
        return await check_message(kit, Http(url="http://93.184.215.14/", proxy_id="some"), proxy=proxy)

    return use


async def check_message(kit: Kit, target: Target, *, detailed: bool = False, **changes: Any) -> str:
    """The message of a check of the target."""
    snapshot = make.snapshot(target, timeout_ms=5_000, **changes)
    return (await probes.run_probe(make.slot(), snapshot, kit.probe_context, detailed=detailed)).message


async def sandboxed(kit: Kit, host: str, port: int) -> str:
    """A request that any service of Apprise may send: to an address that was not validated."""
    call = SandboxHttpRequest("POST", f"http://{bracketed(host)}:{port}/x", [], b"{}")
    return (await SandboxRequests(kit.sender_context.http).send(call)).error


def mailbox(host: str, port: int) -> Smtp:
    return sample_messages.smtp(port, host=host)


USERS: dict[str, User] = {
    "http": checking_url(lambda url: Http(url=url)),
    "http with a stopwatch": checking_url(lambda url: Http(url=url), detailed=True),
    "website": checking_url(lambda url: Website(url=url)),
    "websocket": checking_url(lambda url: WebSocket(url=url), "ws"),
    "tcp": checking(lambda host, port: Tcp(host=host, port=port)),
    "tcp over TLS": checking(lambda host, port: Tcp(host=host, port=port, tls=True)),
    "ping": checking(lambda host, _: Ping(host=host)),
    "ssl": checking(lambda host, port: Ssl(host=host, port=port)),
    "ssh": checking(lambda host, port: Ssh(host=host, port=port)),
    "ssh with a sign-in": checking(lambda host, port: Ssh(host=host, port=port, username="u", password="p")),
    "redis": checking(lambda host, port: Redis(host=host, port=port)),
    "postgres": checking(lambda host, port: Postgres(host=host, port=port, username="u")),
    "mysql": checking(lambda host, port: Mysql(host=host, port=port)),
    "sqlserver": checking(lambda host, port: Sqlserver(host=host, port=port, username="u")),
    "mongodb": checking(lambda host, port: Mongodb(host=host, port=port)),
    "ldap": checking(lambda host, port: Ldap(host=host, port=port)),
    "mail": checking(lambda host, port: Mail(host=host, protocol=MailProtocol.SMTP, port=port)),
    "mqtt": checking(lambda host, port: Mqtt(host=host, port=port, topic="t")),
    "kafka": checking(lambda host, port: KafkaProducer(brokers=[f"{bracketed(host)}:{port}"], topic="t", message="m")),
    "rabbitmq": checking(lambda host, port: Rabbitmq(host=host, port=port, username="u")),
    "rabbitmq's nodes": checking_url(lambda url: Rabbitmq(nodes=[url], username="u")),
    "grpc": checking(lambda host, port: Grpc(host=host, port=port)),
    "ntp": checking(lambda host, port: Ntp(host=host, port=port)),
    "snmp": checking(lambda host, port: Snmp(host=host, port=port, oid="1.3.6.1")),
    "steam": checking(lambda host, port: Steam(host=host, port=port)),
    "docker": checking(lambda host, port: Docker(container="c", daemon=f"tcp://{bracketed(host)}:{port}")),
    "rdap": checking_url(lambda url: Domain(domain="example.org", rdap_url=url, whois_server="")),
    "whois": checking(lambda h, p: Domain(domain="example.org", rdap_url="", whois_server=h, whois_port=p)),
    "oauth": checking_url(
        lambda url: Http(url=CLOSED_URL, auth=OAuth2(token_url=url, client_id="c", client_secret="s"))
    ),
    **{f"proxy, {one}": through(one) for one in ProxyProtocol},
    "webhook": sending_to_url(lambda url: Webhook(url=url)),
    "slack": sending_to_url(lambda url: Slack(webhook_url=url)),
    "discord": sending_to_url(lambda url: Discord(webhook_url=url)),
    "telegram": sending_to_url(lambda url: Telegram(bot_token="1:a", chat_id="1", server_url=url)),
    "ntfy": sending_to_url(lambda url: Ntfy(server_url=url, topic="t")),
    "smtp": sending_to(mailbox),
    **{name: sending_to_url(lambda url, name=name: chats(url)[name]) for name in CHATS},  # type: ignore[misc]  # each its own
    **{name: paging(name) for name in alarm_channels.channels_at("")},
    "a caged request": sandboxed,
    "apprise": sending_to(lambda host, port: Apprise(url=f"json://{bracketed(host)}:{port}/x")),
    "apprise, by fields": sending_to(
        lambda host, port: Apprise(
            service="custom_form", fields={"schema": "form", "host": bracketed(host), "port": port}
        )
    ),
}
NUMBERS_ONLY: dict[str, User] = {  # these take no names, and no numbers in disguise
    "dns": checking(lambda host, port: Dns(host="example.org", resolver_server=host, port=port)),
    "http by a name server": checking(
        lambda host, port: Http(url="http://name.example/", resolver_server=host, resolver_port=port)
    ),
}
