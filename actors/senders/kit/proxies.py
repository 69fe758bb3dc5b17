"""Proxies of channels: sessions and connections through them. The channel's egress policy applies to the proxy too."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from socket import socket

import aiohttp

from actors.probes.http import session
from actors.probes.kit.result import CheckInconclusive, TargetFailed
from actors.senders.kit.context import SenderContext, new_session
from actors.senders.kit.errors import DeliveryError
from app.security.network.egress import Egress, EgressDenied
from schema.proxies import ProxyConfig

PROXY_ERRORS = (CheckInconclusive, TargetFailed)  # what a connection through a proxy raises


@asynccontextmanager
async def using_proxy(context: SenderContext, proxy_id: str, proxy: ProxyConfig | None) -> AsyncIterator[SenderContext]:
    """The context for one send, whose sessions go through the proxy of the channel.

    proxy_id    of the channel; empty: a direct connection
    raises      DeliveryError when that proxy is gone: nothing is sent around it; CheckInconclusive
    """
    if not proxy_id:
        yield context
        return
    if proxy is None:
        raise DeliveryError("the proxy of this channel is gone")
    async with _session(proxy, context.egress) as http, _session(proxy, context.webhook_egress) as webhook_http:
        yield replace(context, http=http, webhook_http=webhook_http, proxy=proxy)


async def open_tunnel(proxy: ProxyConfig, egress: Egress, host: str, port: int) -> socket:
    """A socket to a host through the proxy. Raises PROXY_ERRORS, EgressDenied, OSError."""
    from actors.probes.net.proxy import connect_to_host  # noqa: PLC0415  # most channels have no proxy

    return await connect_to_host(egress, proxy, host, port)


def proxy_delivery_error(error: Exception) -> DeliveryError:
    """One of PROXY_ERRORS as a delivery error: temporary, so that nothing is lost until the proxy works again.

    Only a refusal by the egress policy is permanent, as without a proxy.
    """
    return DeliveryError(str(error), permanent=is_denied(error), channel_level=is_denied(error))


def is_denied(error: Exception) -> bool:
    """Whether the egress policy does not allow the proxy's own address."""
    return isinstance(error.__cause__, EgressDenied)


def _session(proxy: ProxyConfig, egress: Egress) -> aiohttp.ClientSession:
    connector, proxy_url = session.proxied_connector(proxy, egress)
    return new_session(connector, proxy_url, _raise_for_proxy if proxy_url else None)


async def _raise_for_proxy(response: aiohttp.ClientResponse) -> None:
    """Raise for a 407 to a request that was not tunnelled: the proxy's (RFC 9110, 15.5.8), not the receiver's."""
    if response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED and response.url.scheme == "http":
        response.close()
        raise aiohttp.ClientHttpProxyError(response.request_info, (), status=response.status)
