"""SOCKS and CONNECT: connections through a proxy, which is reached under the egress policy like everything else."""

import asyncio
import re
from base64 import b64encode
from socket import socket
from typing import Any, cast

from python_socks import ProxyError, ProxyType
from python_socks.async_.asyncio import Proxy

from actors.probes.kit.errors import classify_os_error, classify_proxy_status
from actors.probes.kit.result import CheckInconclusive, TargetFailed
from actors.probes.net.address_family import (
    RESOLVED_BY_PROXY,
    SYSTEM_RESOLVER,
    check_literal_address,
    resolve_addresses,
)
from app.security.network.egress import Egress, EgressDenied
from schema.proxies import ProxyConfig, ProxyProtocol
from schema.targets.http import IpFamily

PROXY_TYPES = {
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
MAX_REPLY_BYTES = 16_384  # of a reply to CONNECT, to its empty line
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: |\r?\n)")


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
    open_tunnel = _connect_by_http if proxy.protocol is ProxyProtocol.HTTP else _connect_by_socks
    try:
        return await open_tunnel(_EgressDialer(egress), proxy, host, port)
    except ProxyError as error:
        raise _classify_error(error) from error
    except EgressDenied as denied:
        raise CheckInconclusive(f"the proxy: {denied}") from denied
    except (OSError, UnicodeError, ValueError) as error:
        raise CheckInconclusive(f"the proxy broke off: {str(error)[:120]}") from error


async def connect_to_host(egress: Egress, proxy: ProxyConfig, host: str, port: int) -> socket:
    """As `connect_through`, for a host that is resolved where the proxy's protocol says. Raises EgressDenied too."""
    if proxy.protocol in RESOLVED_BY_PROXY:
        check_literal_address(egress, host)
        return await connect_through(egress, proxy, host, port)
    family = IpFamily.IPV4 if proxy.protocol is ProxyProtocol.SOCKS4 else IpFamily.ANY
    addresses = await resolve_addresses(egress, host, family, SYSTEM_RESOLVER)
    return await connect_through(egress, proxy, addresses[0], port)


async def _connect_by_socks(dialer: _EgressDialer, proxy: ProxyConfig, host: str, port: int) -> socket:
    socks = Proxy(
        proxy_type=PROXY_TYPES[proxy.protocol],
        host=proxy.host,
        port=proxy.port,
        username=_Utf8(proxy.username) if proxy.username else None,
        password=_Utf8(proxy.password) if proxy.password else None,
        rdns=True,
        forward=cast("Proxy", dialer),
    )
    return await socks.connect(host, port, timeout=NO_LIMIT_S)


async def _connect_by_http(dialer: _EgressDialer, proxy: ProxyConfig, host: str, port: int) -> socket:
    """By CONNECT (RFC 9110, 9.3.6). The library would take what a server says first for a part of the reply."""
    opened = await dialer.connect(proxy.host, proxy.port)
    try:
        await asyncio.get_running_loop().sock_sendall(opened, _connect_request(proxy, host, port))
        status = await _read_status(opened)
        if status // 100 != 2:  # noqa: PLR2004  # any 2xx opens the tunnel
            raise classify_proxy_status(status)
    except BaseException:
        opened.close()
        raise
    return opened


def _connect_request(proxy: ProxyConfig, host: str, port: int) -> bytes:
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if proxy.username:
        login = b64encode(f"{proxy.username}:{proxy.password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {login}")
    return "\r\n".join([*lines, "", ""]).encode("ascii")


async def _read_status(opened: socket) -> int:
    """The status of a reply. Reads to its empty line and no byte more: those are the target's. Raises OSError."""
    loop, head = asyncio.get_running_loop(), bytearray()
    while not head.endswith((b"\r\n\r\n", b"\n\n")):
        byte = await loop.sock_recv(opened, 1)
        if not byte or len(head) >= MAX_REPLY_BYTES:
            raise ConnectionResetError("its reply to CONNECT has no end")
        head += byte
    if not (match := _STATUS.match(head)):
        raise ConnectionResetError("its reply to CONNECT is not HTTP")
    return int(match[1])


class _Utf8(str):
    """Text with the length and bytes of UTF-8: the library counts characters and encodes as ASCII."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(str.encode(self))

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:  # noqa: ARG002  # the library's signature
        """In UTF-8, whatever encoding is passed."""
        return str.encode(self, "utf-8", errors)


def _classify_error(error: ProxyError) -> TargetFailed | CheckInconclusive:
    """Whether the proxy or the target failed, as far as the proxy says."""
    if error.error_code in TARGET_ERRORS:
        return TargetFailed(f"{TARGET_ERRORS[error.error_code]}, says the proxy")
    return CheckInconclusive(f"the proxy does not let us through: {str(error)[:120].lower()}")
