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

URL_FIELDS = frozenset({"url", "token_url", "server_url"})  # what stands before the path counts
DESTINATION_FIELDS = frozenset(  # these count as they stand
    {
        *("host", "port", "nodes", "brokers", "connection_string", "resolve_mx", "webhook_url", "daemon"),
        *("endpoint_url", "region"),
        *("protocol", "tls", "security", "sslmode"),  # schemes by other names
        *("proxy_id", "resolver_server", "resolver_port"),  # who stands between us and the host
        *("ca_cert", "tls_ca", "server_name", "resolver_name"),  # who says that it is the host, and who it is
        *("transport", "resolvers", "resolver_url"),  # who is asked for a name, and how
    }
)
VERIFICATION_OFF = {  # with this value, nobody says that it is the host
    "ignore_tls_errors": True,
    "verify_ssl": False,
    "verify_hostname": False,
    "check_chain": False,
}
PIN_FIELDS = frozenset({"fingerprint"})  # what the host must be; to add one takes nothing away
FIELDS_BY_TYPE = {"apprise": frozenset({"service", "fields"})}  # by type; any of a service's fields may say where it is
PLAINTEXT_SCHEMES = ("http://", "ws://")  # what everybody on the way can read

_ORIGIN = re.compile(r"[^:/?#]+://[^/?#]*")


def destination_fields(config: Struct) -> dict[str, Any]:
    """All that decides where the config's secrets go, by dotted path."""
    return {path: value for path, name, value in _flatten(config, "") if name in _destination_names(config)}


def changed_destinations(new: Struct, old: Struct) -> list[str]:
    """What was changed so that somebody else may be handed the secrets: dotted paths, in order."""
    there, before = destination_fields(new), destination_fields(old)
    found = {path for path in there.keys() | before.keys() if there.get(path) != before.get(path)}
    known = {path: value for path, _, value in _flatten(old, "")}
    for path, name, value in _flatten(new, ""):
        is_waived = name in VERIFICATION_OFF and value is VERIFICATION_OFF[name] is not known.get(path)
        if is_waived or (name in PIN_FIELDS and known.get(path) not in {None, "", value}):
            found.add(path)
    return sorted(found)


def is_readable_by_proxy(config: Struct) -> bool:
    """Whether a proxy sees what is sent: it is not encrypted, or to anybody who takes the connection."""
    fields = [(name, value) for _, name, value in _flatten(config, "")]
    is_plain = any(name in URL_FIELDS and str(value).lower().startswith(PLAINTEXT_SCHEMES) for name, value in fields)
    return is_plain or any(name in VERIFICATION_OFF and value is VERIFICATION_OFF[name] for name, value in fields)


def _destination_names(config: Struct) -> frozenset[str]:
    return URL_FIELDS | DESTINATION_FIELDS | FIELDS_BY_TYPE.get(str(config.__struct_config__.tag), frozenset())


def _flatten(config: Struct, at: str) -> Iterator[tuple[str, str, Any]]:
    """Every field, also inside of others: (dotted path, name, value); of an address what stands before the path."""
    for name, value in msgspec.structs.asdict(config).items():
        if isinstance(value, Struct):
            yield from _flatten(value, f"{at}{name}.")
            continue
        origin = _ORIGIN.match(value) if name in URL_FIELDS and isinstance(value, str) else None
        yield f"{at}{name}", name, origin.group().lower() if origin else value
