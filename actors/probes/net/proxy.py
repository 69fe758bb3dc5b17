"""SOCKS and CONNECT: connections through a proxy, which is reached under the egress policy like everything else."""

from socket import socket
from typing import Any, cast

from python_socks import ProxyError, ProxyType
from python_socks.async_.asyncio import Proxy

from actors.probes.kit.errors import classify_os_error
from actors.probes.kit.result import CheckInconclusive, TargetFailed
from app.domain.parsing.credential_encoding import utf8_as_latin1
from app.security.network.egress import Egress, EgressDenied
from schema.proxies import ProxyConfig, ProxyProtocol

PROXY_TYPES = {
    ProxyProtocol.HTTP: ProxyType.HTTP,
    ProxyProtocol.SOCKS4: ProxyType.SOCKS4,
    ProxyProtocol.SOCKS5: ProxyType.SOCKS5,
    ProxyProtocol.SOCKS5H: ProxyType.SOCKS5,
}
NO_LIMIT_S = 86_400.0  # the check's own deadline comes first
TARGET_ERRORS = {  # a proxy's codes for failures of the target: RFC 1928, 6, and SOCKS4's single code for all of them
    3: "network unreachable",
    4: "no route to host",
    5: "connection refused",
    6: "connection timed out",
    91: "rejected or failed",
}
GATEWAY_ERRORS = range(500, 600)  # an HTTP proxy's status for CONNECT when it can't reach the target


class _EgressDialer:
    """Gives python-socks connections that the egress policy allows."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress

    async def connect(self, dest_host: str, dest_port: int, **_: Any) -> socket:
        """A connected socket. An unreachable proxy says nothing about the target."""
        try:
            return await self._egress.socket_to(dest_host, dest_port)
        except OSError as error:
            raise CheckInconclusive(f"the proxy can't be reached: {classify_os_error(error)}") from error


async def connect_through(egress: Egress, proxy: ProxyConfig, host: str, port: int) -> socket:
    """A socket to `host`: an address, or a name that the proxy resolves. Raises TargetFailed, CheckInconclusive."""
    dialer = Proxy(
        proxy_type=PROXY_TYPES[proxy.protocol],
        host=proxy.host,
        port=proxy.port,
        username=_credential(proxy, proxy.username),
        password=_credential(proxy, proxy.password),
        rdns=True,
        forward=cast("Proxy", _EgressDialer(egress)),
    )
    try:
        return await dialer.connect(host, port, timeout=NO_LIMIT_S)
    except ProxyError as error:
        raise _classify_error(error) from error
    except EgressDenied as denied:
        raise CheckInconclusive(f"the proxy: {denied}") from denied
    except (OSError, UnicodeError, ValueError) as error:
        raise CheckInconclusive(f"the proxy broke off: {str(error)[:120]}") from error


class _Utf8(str):
    """Text with the length and bytes of UTF-8: the library counts characters and encodes as ASCII."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(str.encode(self))

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:  # noqa: ARG002  # the library's signature
        """In UTF-8, whatever encoding is passed."""
        return str.encode(self, "utf-8", errors)


def _credential(proxy: ProxyConfig, text: str) -> str | None:
    """A user name or password, so that the library sends UTF-8."""
    if not text:
        return None
    return utf8_as_latin1(text) if proxy.protocol is ProxyProtocol.HTTP else _Utf8(text)


def _classify_error(error: ProxyError) -> TargetFailed | CheckInconclusive:
    """Whether the proxy or the target failed, as far as the proxy says."""
    if error.error_code in GATEWAY_ERRORS:
        return TargetFailed(f"the proxy could not reach it and answered {error.error_code}")
    if error.error_code in TARGET_ERRORS:
        return TargetFailed(f"{TARGET_ERRORS[error.error_code]}, says the proxy")
    return CheckInconclusive(f"the proxy does not let us through: {str(error)[:120].lower()}")
