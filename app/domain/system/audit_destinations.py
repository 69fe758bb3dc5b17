"""Where a config makes us connect, for the record: type, host and port; no paths, no queries, nothing secret. Pure."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

ADDRESSES = frozenset(
    {
        *("url", "token_url", "server_url", "resolver_url", "rdap_url", "daemon"),
        *("webhook_url", "endpoint_url", "connection_string", "nodes"),
    }
)
PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
HOSTS = frozenset({"resolver_server", "resolvers", "whois_server", "domain", "brokers"})  # host, or host:port
SOMEWHERE = "an address that is not shown"  # what can't be told apart from a secret

_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)"
_PLACE = re.compile(  # nothing of a password can look like the host: where that is not certain, nothing fits
    rf"([A-Za-z][A-Za-z0-9+.-]*)://(?:[^@/?#]*@)?({_HOST}(?::[0-9]{{1,5}})?(?:,{_HOST}(?::[0-9]{{1,5}})?)*)(?:[/?#][^@]*)?"
)
_SERVER = re.compile(  # SQL Server's words; what follows the first pair may be anything
    r"(?:server|data source|address|addr)=(?:tcp:)?([A-Za-z0-9_.\\-]+(?:,[0-9]{1,5})?)(?:;|$)", re.IGNORECASE
)
_PORT = re.compile(r":[0-9]{1,5}$")


def of(config: Struct) -> list[str]:
    """Each place once, such as `http example.org:443`; a type that connects nowhere has none."""
    type_ = str(config.__struct_config__.tag)
    return [f"{type_} {place}" for place in dict.fromkeys(_places(config))]


def _places(config: Struct) -> Iterator[str]:
    fields = msgspec.structs.asdict(config)
    if fields.get("host"):
        port = fields.get("port")
        yield f"{fields['host']}:{port}" if port else str(fields["host"])
    for name, value in fields.items():
        if isinstance(value, Struct):
            yield from _places(value)
        elif name in ADDRESSES | HOSTS:
            texts: list[Any] = value if isinstance(value, list) else [value]
            yield from (place_of(text) if name in ADDRESSES else text for text in texts if text)


def place_of(address: str) -> str:
    """Host and port of an address, or of a connection string."""
    if address.startswith("unix:"):
        return address.split("?", 1)[0]
    if found := _PLACE.fullmatch(address):
        scheme, place = found.groups()
        port = PORTS.get(scheme.lower())
        return place if port is None or _PORT.search(place) else f"{place}:{port}"
    if found := _SERVER.match(address):
        return found.group(1)
    return SOMEWHERE
