"""SOCKS and CONNECT: connections by way of a proxy, which is reached through the one door like everything else."""

from socket import socket
from typing import Any, cast

from python_socks import ProxyError, ProxyType
from python_socks.async_.asyncio import Proxy

from actors.probes.kit.errors import of_system
from actors.probes.kit.result import Failed, Unsure
from app.domain.parsing.credential_encoding import in_utf8
from app.security.network.egress import Egress, Refused
from schema.proxies import Protocol, ProxyConfig

TYPES = {
    Protocol.HTTP: ProxyType.HTTP,
    Protocol.SOCKS4: ProxyType.SOCKS4,
    Protocol.SOCKS5: ProxyType.SOCKS5,
    Protocol.SOCKS5H: ProxyType.SOCKS5,
}
NO_LIMIT_S = 86_400.0  # the check's own deadline comes first
THE_TARGETS = {  # what the proxy says of the target: RFC 1928, 6, and SOCKS4's one word for all of it
    3: "network unreachable",
    4: "no route to host",
    5: "connection refused",
    6: "connection timed out",
    91: "rejected or failed",
}
GATEWAY = range(500, 600)  # what an HTTP proxy says to CONNECT when it is the target that can't be reached


class _Through:
    """Where python-socks asks for a connection to the proxy, it gets one of ours."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress

    async def connect(self, dest_host: str, dest_port: int, **_: Any) -> socket:
        """A connected socket. An unreachable proxy says nothing of the target."""
        try:
            return await self._egress.socket_to(dest_host, dest_port)
        except OSError as error:
            raise Unsure(f"the proxy can't be reached: {of_system(error)}") from error


async def connected(egress: Egress, proxy: ProxyConfig, host: str, port: int) -> socket:
    """A socket that leads to `host`: an address, or a name where the proxy resolves it. Raises Failed, Unsure."""
    dialer = Proxy(
        proxy_type=TYPES[proxy.protocol],
        host=proxy.host,
        port=proxy.port,
        username=_written(proxy, proxy.username),
        password=_written(proxy, proxy.password),
        rdns=True,
        forward=cast("Proxy", _Through(egress)),
    )
    try:
        return await dialer.connect(host, port, timeout=NO_LIMIT_S)
    except ProxyError as error:
        raise _meaning(error) from error
    except Refused as refused:
        raise Unsure(f"the proxy: {refused}") from refused
    except (OSError, UnicodeError, ValueError) as error:
        raise Unsure(f"the proxy broke off: {str(error)[:120]}") from error


class _Utf8(str):
    """A text whose length and bytes are those of UTF-8: the library counts characters, and knows ASCII only."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(str.encode(self))

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:  # noqa: ARG002  # the library's call
        """In UTF-8, whatever is asked for."""
        return str.encode(self, "utf-8", errors)


def _written(proxy: ProxyConfig, text: str) -> str | None:
    """Who we are, so that what the library sends is UTF-8."""
    if not text:
        return None
    return in_utf8(text) if proxy.protocol is Protocol.HTTP else _Utf8(text)


def _meaning(error: ProxyError) -> Failed | Unsure:
    """Whose fault it was, as far as the proxy tells."""
    if error.error_code in GATEWAY:
        return Failed(f"the proxy could not reach it and answered {error.error_code}")
    if error.error_code in THE_TARGETS:
        return Failed(f"{THE_TARGETS[error.error_code]}, says the proxy")
    return Unsure(f"the proxy does not let us through: {str(error)[:120].lower()}")
