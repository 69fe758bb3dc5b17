"""Where a config connects to, for the audit log: type, host and port, without paths, queries or secrets. Pure."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

URL_FIELDS = frozenset(
    {
        *("url", "token_url", "server_url", "resolver_url", "rdap_url", "daemon"),
        *("webhook_url", "endpoint_url", "connection_string", "nodes"),
    }
)
DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
HOST_FIELDS = frozenset({"resolver_server", "resolvers", "whois_server", "domain", "brokers"})  # host, or host:port
UNSHOWN_ADDRESS = "an address that is not shown"  # it could be a secret

_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)"
_URL = re.compile(  # no part of a password may look like the host: in doubt, nothing matches
    rf"([A-Za-z][A-Za-z0-9+.-]*)://(?:[^@/?#]*@)?({_HOST}(?::[0-9]{{1,5}})?(?:,{_HOST}(?::[0-9]{{1,5}})?)*)(?:[/?#][^@]*)?"
)
_SQLSERVER = re.compile(  # a connection string of SQL Server; anything may follow the first pair
    r"(?:server|data source|address|addr)=(?:tcp:)?([A-Za-z0-9_.\\-]+(?:,[0-9]{1,5})?)(?:;|$)", re.IGNORECASE
)
_PORT = re.compile(r":[0-9]{1,5}$")


def destinations_of(config: Struct) -> list[str]:
    """Each destination once, such as `http example.org:443`; none for a type that connects nowhere."""
    type_ = str(config.__struct_config__.tag)
    return [f"{type_} {destination}" for destination in dict.fromkeys(_config_destinations(config))]


def _config_destinations(config: Struct) -> Iterator[str]:
    fields = msgspec.structs.asdict(config)
    if fields.get("host"):
        port = fields.get("port")
        yield f"{fields['host']}:{port}" if port else str(fields["host"])
    for name, value in fields.items():
        if isinstance(value, Struct):
            yield from _config_destinations(value)
        elif name in URL_FIELDS | HOST_FIELDS:
            texts: list[Any] = value if isinstance(value, list) else [value]
            yield from (host_and_port(text) if name in URL_FIELDS else text for text in texts if text)


def host_and_port(url: str) -> str:
    """Host and port of a URL or a connection string."""
    if url.startswith("unix:"):
        return url.split("?", 1)[0]
    if match := _URL.fullmatch(url):
        scheme, hosts = match.groups()
        port = DEFAULT_PORTS.get(scheme.lower())
        return hosts if port is None or _PORT.search(hosts) else f"{hosts}:{port}"
    if match := _SQLSERVER.match(url):
        return match.group(1)
    return UNSHOWN_ADDRESS
