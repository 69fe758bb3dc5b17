"""Chooses the name server for a check: the system's, or one that the monitor names, plain or encrypted."""

import asyncio
import ssl
from typing import Any

import aiohttp
from dns.asyncresolver import Resolver
from dns.exception import DNSException, Timeout
from dns.flags import AD, DO, RD
from dns.message import Message
from dns.nameserver import AddressAndPortNameserver, Nameserver
from dns.resolver import NoResolverConfiguration

from actors.probes.kit.bounded_body import read_bytes
from actors.probes.kit.context import ProbeContext, RunningCheck
from actors.probes.kit.result import CheckInconclusive, TargetFailed
from actors.probes.net.dns_messages import (
    FinalDnsError,
    PlainNameserver,
    exchange,
    is_response_to,
    parse_message,
    with_bounded_servers,
)
from actors.probes.net.dns_records import canonical_address
from actors.probes.net.tls import target_tls_context
from app.domain.parsing.web_url import parse_url
from app.security.network.egress import EgressDenied
from schema.targets import Dns, DnsTransport

QUERY_TIMEOUT_S = 2.0  # of one query to one server; a lost packet is sent again
PLAIN_PORT, TLS_PORT = 53, 853
PAYLOAD_BYTES = 1_232  # fits one packet everywhere (DNS flag day 2020)
MAX_MESSAGE_BYTES = 65_535
DNS_MESSAGE = "application/dns-message"


class StreamNameserver(AddressAndPortNameserver):
    """DNS over TCP (RFC 7766) or TLS (RFC 7858), with the egress policy and the trust of other checks.

    name    what the certificate must be valid for; empty: the address
    """

    def __init__(self, address: str, port: int, context: ProbeContext, tls: ssl.SSLContext | None, name: str) -> None:
        super().__init__(address, port)
        self._context, self._tls, self._name = context, tls, name

    def kind(self) -> str:
        """Called by the library."""
        return "DoT" if self._tls else "TCP"

    def is_always_max_size(self) -> bool:
        """Called by the library: a stream has no packets to fit into."""
        return True

    async def async_query(self, request: Message, timeout: float, *_: Any, **__: Any) -> Message:  # noqa: ASYNC109  # the library's signature
        """Called by the library."""
        try:
            async with asyncio.timeout(timeout):
                response = await parse_message(await self._exchange(request.to_wire()))
        except TimeoutError as error:
            if error.errno:
                raise
            raise Timeout from error
        if not is_response_to(response, request):
            raise FinalDnsError(TargetFailed("the name server answered something else"))
        return response

    async def _exchange(self, wire: bytes) -> bytes:
        reader, writer = await self._context.egress.open_connection(
            self.address, self.port, ssl=self._tls, server_hostname=self._name
        )
        try:
            return await exchange(reader, writer, wire)
        finally:
            writer.transport.abort()


class HttpsNameserver(Nameserver):
    """DNS over HTTPS (RFC 8484), under the egress policy like any request."""

    def __init__(self, url: str, context: ProbeContext, tls: ssl.SSLContext) -> None:
        self._url, self._context, self._tls = url, context, tls

    def __str__(self) -> str:
        return self._url

    def kind(self) -> str:
        """Called by the library."""
        return "DoH"

    def is_always_max_size(self) -> bool:
        """Called by the library: there are no packets to fit into."""
        return True

    def answer_nameserver(self) -> str:
        """Called by the library."""
        return self._url

    def answer_port(self) -> int:
        """Called by the library; the URL has the port."""
        return 443

    async def async_query(self, request: Message, *_: Any, **__: Any) -> Message:
        """Called by the library. Raises FinalDnsError."""
        try:
            response = await parse_message(await self._post(request.to_wire()))
        except aiohttp.ClientError as error:
            if isinstance(error.__cause__, OSError):
                raise error.__cause__ from error
            raise FinalDnsError(TargetFailed("the name server does not speak HTTP as it should")) from error
        except (TargetFailed, EgressDenied) as error:
            raise FinalDnsError(error) from error
        except (DNSException, ValueError) as error:
            raise FinalDnsError(TargetFailed("the name server's answer can't be read")) from error
        if not is_response_to(response, request):
            raise FinalDnsError(TargetFailed("the name server answered something else"))
        return response

    async def _post(self, wire: bytes) -> bytes:
        headers = {"Content-Type": DNS_MESSAGE, "Accept": DNS_MESSAGE}
        async with self._context.http.post(
            parse_url(self._url), data=wire, headers=headers, allow_redirects=False, ssl=self._tls
        ) as http_response:
            if http_response.status != 200:  # noqa: PLR2004  # RFC 8484, 4.2.1
                raise TargetFailed(f"the name server answered HTTP {http_response.status}")
            return bytes(await read_bytes(http_response, MAX_MESSAGE_BYTES + 1))


def resolver_for(target: Dns, check: RunningCheck, address: str = "") -> Resolver:
    """A resolver for this address, else for the target's server, else the system's, which no policy restricts.

    raises    CheckInconclusive without a name server; EgressDenied
    """
    address = address or target.resolver_server
    try:
        resolver = Resolver(configure=not (address or target.resolver_url))
    except NoResolverConfiguration as error:
        raise CheckInconclusive("this machine has no name server: set one on the monitor") from error
    if target.resolver_url:
        resolver.nameservers = [
            HttpsNameserver(target.resolver_url, check.context, target_tls_context(target, check.context))
        ]
    elif address:
        _use_server(resolver, target, check, address)
    if target.dnssec:
        resolver.use_edns(0, DO, PAYLOAD_BYTES)
        resolver.set_flags(RD | AD)
    resolver.timeout = QUERY_TIMEOUT_S
    resolver.lifetime = check.snapshot.timeout_ms / 1000 * 2  # the check's own deadline comes first
    return with_bounded_servers(resolver)


def _use_server(resolver: Resolver, target: Dns, check: RunningCheck, address: str) -> None:
    if not canonical_address(address):
        raise CheckInconclusive(f"the name server {address[:60]} is not an IP address")
    check.context.egress.check(address)
    match target.transport:
        case DnsTransport.TCP:
            resolver.nameservers = [StreamNameserver(address, target.port or PLAIN_PORT, check.context, None, "")]
        case DnsTransport.TLS:
            port, tls = target.port or TLS_PORT, target_tls_context(target, check.context)
            resolver.nameservers = [StreamNameserver(address, port, check.context, tls, target.resolver_name)]
        case _:
            resolver.nameservers = [PlainNameserver(address, target.port or PLAIN_PORT)]
