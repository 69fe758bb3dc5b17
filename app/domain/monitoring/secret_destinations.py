"""Where a config sends its secrets: who would be handed them when it is used. Pure.

A secret that is kept by its mask stays with the scheme, host and port it was given for: whoever can't read it must
not be able to have it sent elsewhere either. Who vouches for that host counts as much: with the certificate unchecked,
or checked against another authority, anybody on the way is the host.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

ADDRESSES = frozenset({"url", "token_url", "server_url"})  # what stands before the path counts
PLACES = frozenset(  # these count as they stand
    {
        *("host", "port", "nodes", "brokers", "connection_string", "resolve_mx", "webhook_url", "daemon"),
        *("endpoint_url", "region"),
        *("protocol", "tls", "security", "sslmode"),  # schemes by other names
        *("proxy_id", "resolver_server", "resolver_port"),  # who stands between us and the host
        *("ca_cert", "tls_ca", "server_name", "resolver_name"),  # who says that it is the host, and who it is
        *("transport", "resolvers", "resolver_url"),  # who is asked for a name, and how
    }
)
WAIVERS = {  # with this value, nobody says that it is the host
    "ignore_tls_errors": True,
    "verify_ssl": False,
    "verify_hostname": False,
    "check_chain": False,
}
PINS = frozenset({"fingerprint"})  # what the host must be; to add one takes nothing away
OF_ITS_OWN = {"apprise": frozenset({"service", "fields"})}  # by type; any of a service's fields may say where it is
PLAIN = ("http://", "ws://")  # what everybody on the way can read

_ORIGIN = re.compile(r"[^:/?#]+://[^/?#]*")


def of(config: Struct) -> dict[str, Any]:
    """All that decides where the config's secrets go, by dotted path."""
    return {path: value for path, name, value in _fields(config, "") if name in _places(config)}


def moved(new: Struct, old: Struct) -> list[str]:
    """What was changed so that somebody else may be handed the secrets: dotted paths, in order."""
    there, before = of(new), of(old)
    found = {path for path in there.keys() | before.keys() if there.get(path) != before.get(path)}
    known = {path: value for path, _, value in _fields(old, "")}
    for path, name, value in _fields(new, ""):
        is_waived = name in WAIVERS and value is WAIVERS[name] is not known.get(path)
        if is_waived or (name in PINS and known.get(path) not in {None, "", value}):
            found.add(path)
    return sorted(found)


def is_readable_on_the_way(config: Struct) -> bool:
    """Whether a proxy sees what is sent: it is not encrypted, or to anybody who takes the connection."""
    fields = [(name, value) for _, name, value in _fields(config, "")]
    is_plain = any(name in ADDRESSES and str(value).lower().startswith(PLAIN) for name, value in fields)
    return is_plain or any(name in WAIVERS and value is WAIVERS[name] for name, value in fields)


def _places(config: Struct) -> frozenset[str]:
    return ADDRESSES | PLACES | OF_ITS_OWN.get(str(config.__struct_config__.tag), frozenset())


def _fields(config: Struct, at: str) -> Iterator[tuple[str, str, Any]]:
    """Every field, also inside of others: (dotted path, name, value); of an address what stands before the path."""
    for name, value in msgspec.structs.asdict(config).items():
        if isinstance(value, Struct):
            yield from _fields(value, f"{at}{name}.")
            continue
        origin = _ORIGIN.match(value) if name in ADDRESSES and isinstance(value, str) else None
        yield f"{at}{name}", name, origin.group().lower() if origin else value
