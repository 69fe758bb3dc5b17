"""aiohttp connectors that connect by `Egress`, for first requests and redirects alike."""

import asyncio
import ssl
from functools import partial
from socket import AF_INET, AF_INET6, AddressFamily, socket
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.tracing import Trace

from app.security.network.egress import Egress
from app.security.network.fair_reading import FairResponseHandler
from app.security.network.resolver import NameUnknown, ResolverUnavailable
from app.security.network.tls_client import UNVERIFIED, VERIFYING, client_context
from app.security.network.tls_limits import apply_limits

# each request opens a connection, as a new client would; the callers bound the number of connections
SINGLE_USE: dict[str, Any] = {"force_close": True, "limit": 0}


class EgressConnector(aiohttp.TCPConnector):
    """Connects where the policy allows, and passes EgressDenied on unchanged.

    `_create_direct_connection` is aiohttp's seam below proxies and redirects. Overriding it saves a check 40 % of its
    CPU, since the loop connects without a Python socket object. If a later aiohttp drops it, the resolver and the
    socket factory, both public, still apply the policy.
    """

    def __init__(self, egress: Egress, **options: Any) -> None:
        self._egress = egress
        super().__init__(
            resolver=_EgressResolver(egress), use_dns_cache=False, socket_factory=self._allowed_socket, **options
        )
        self._factory = partial(FairResponseHandler, loop=self._loop)  # type: ignore[assignment]  # it is a ResponseHandler

    async def _create_direct_connection(
        self,
        req: ClientRequest,
        traces: list[Trace],  # noqa: ARG002  # aiohttp's signature
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  # aiohttp's signature
        *,
        client_error: type[Exception] = aiohttp.ClientConnectorError,
    ) -> tuple[asyncio.Transport, ResponseHandler]:
        try:
            if timeout.sock_connect is None:
                return await self._connect_by_egress(req)
            async with asyncio.timeout(timeout.sock_connect):
                return await self._connect_by_egress(req)
        except TimeoutError as error:
            if error.errno is None:  # the limit above, not the system's ETIMEDOUT
                raise
            raise client_error(req.connection_key, error) from error
        except OSError as error:
            raise _aiohttp_error_class(error, client_error)(req.connection_key, error) from error

    async def _connect_by_egress(self, req: ClientRequest) -> tuple[asyncio.Transport, ResponseHandler]:
        return await self._egress.connect(
            self._factory,
            req.url.raw_host or "",
            req.port or 0,
            ssl=self._get_ssl_context(req) if req.is_ssl() else None,
            server_hostname=(req.server_hostname or req.url.raw_host or "").rstrip("."),
        )

    def _get_ssl_context(self, req: ClientRequest) -> ssl.SSLContext | None:
        """As the base class, with our contexts: for connections by `Egress`, and for TLS inside a proxy's tunnel."""
        if not req.is_ssl():
            return None
        for setting in (req.ssl, self._ssl):
            if isinstance(setting, ssl.SSLContext):
                return apply_limits(setting)
            if setting is not True:
                return client_context(UNVERIFIED)
        return client_context(VERIFYING)

    def _allowed_socket(self, target: Any) -> socket:
        """Used where aiohttp creates sockets itself: checks the address just before it is connected."""
        family, kind, protocol, _, address = target
        self._egress.check(address[0])
        return socket(family, kind, protocol)


class UnixSocketConnector(aiohttp.UnixConnector):
    """Connects to a Unix socket of this machine, and reads responses in small pieces as well."""

    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(path, **options)
        self._factory = partial(FairResponseHandler, loop=self._loop)  # type: ignore[assignment]  # it is a ResponseHandler


def _aiohttp_error_class(error: OSError, default: type[Exception]) -> type[Exception]:
    """The aiohttp exception class that callers expect for this error."""
    if isinstance(error, NameUnknown | ResolverUnavailable):
        return aiohttp.ClientConnectorDNSError
    if isinstance(error, ssl.SSLCertVerificationError):
        return aiohttp.ClientConnectorCertificateError
    return aiohttp.ClientConnectorSSLError if isinstance(error, ssl.SSLError) else default


class _EgressResolver(AbstractResolver):
    """aiohttp's resolver interface over `Egress.addresses`."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress

    async def resolve(self, host: str, port: int = 0, family: AddressFamily = AF_INET) -> list[ResolveResult]:
        """Every allowed address of the family; raises as `Egress.addresses`."""
        return [
            ResolveResult(hostname=host, host=address, port=port, family=_family_of(address), proto=0, flags=0)
            for address in await self._egress.addresses(host)
            if family in {0, _family_of(address)}
        ]

    async def close(self) -> None:
        """Nothing to close."""


def _family_of(address: str) -> AddressFamily:
    return AF_INET6 if ":" in address else AF_INET
