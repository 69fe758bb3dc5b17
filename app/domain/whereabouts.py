"""Where a config sends its secrets: who would be handed them when it is used. Pure.

A secret that is kept by its mask stays with the scheme, host and port it was given for: whoever can't read it must
not be able to have it sent elsewhere either.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

ADDRESSES = frozenset({"url", "token_url", "server_url", "daemon"})  # what stands before the path counts
PLACES = frozenset(  # these count as they stand
    {
        *("host", "port", "nodes", "brokers", "connection_string", "resolve_mx", "webhook_url"),
        *("endpoint_url", "region"),
        *("protocol", "tls", "security", "sslmode"),  # schemes by other names
        *("proxy_id", "resolver_server", "resolver_port"),  # who stands between us and the host
    }
)
OF_ITS_OWN = {"apprise": frozenset({"service", "fields"})}  # by type; any of a service's fields may say where it is

_ORIGIN = re.compile(r"[^:/?#]+://[^/?#]*")


def of(config: Struct) -> dict[str, Any]:
    """All that decides where the config's secrets go, by dotted path."""
    return dict(_found(config, ""))


def _found(config: Struct, at: str) -> Iterator[tuple[str, Any]]:
    places = PLACES | OF_ITS_OWN.get(str(config.__struct_config__.tag), frozenset())
    for name, value in msgspec.structs.asdict(config).items():
        if isinstance(value, Struct):
            yield from _found(value, f"{at}{name}.")
        elif name in places:
            yield f"{at}{name}", value
        elif name in ADDRESSES and isinstance(value, str):
            origin = _ORIGIN.match(value)
            yield f"{at}{name}", origin.group().lower() if origin else value
