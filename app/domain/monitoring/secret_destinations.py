"""Which fields of a config decide where its secrets are sent. Pure.

A secret that is kept by its mask stays with the scheme, host and port that it was entered for: a user who can't read it
must not be able to send it elsewhere. How the host is verified counts as well: without certificate checks, or with
another authority, anybody on the network path can pose as the host.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

URL_FIELDS = frozenset({"url", "token_url", "server_url"})  # the part before the path counts
READABLE_URL_FIELDS = URL_FIELDS | {"webhook_url", "endpoint_url"}  # their scheme says whether a proxy can read
DESTINATION_FIELDS = frozenset(  # the whole value counts
    {
        *("host", "port", "nodes", "brokers", "connection_string", "resolve_mx", "webhook_url", "daemon"),
        *("endpoint_url", "region"),
        *("protocol", "tls", "security", "sslmode"),  # like a scheme
        *("proxy_id", "resolver_server", "resolver_port"),  # what lies between us and the host
        *("ca_cert", "tls_ca", "server_name", "resolver_name"),  # how the host is verified, and its name
        *("transport", "resolvers", "resolver_url"),  # how its name is resolved
    }
)
VERIFICATION_OFF = {  # with this value the host is not verified
    "ignore_tls_errors": True,
    "verify_ssl": False,
    "verify_hostname": False,
    "check_chain": False,
}
PIN_FIELDS = frozenset({"fingerprint"})  # they restrict the host; adding one is safe
FIELDS_BY_TYPE = {"apprise": frozenset({"service", "fields"})}  # any field of a service may hold its address
PLAINTEXT_SCHEMES = ("http://", "ws://")  # readable on the network path

_ORIGIN = re.compile(r"[^:/?#]+://[^/?#]*")


def destination_fields(config: Struct) -> dict[str, Any]:
    """The fields that decide where the config's secrets are sent, by dotted path."""
    return {path: value for path, name, value in _flatten(config, "") if name in _destination_names(config)}


def changed_destinations(new: Struct, old: Struct) -> list[str]:
    """Changed fields by which the secrets may reach another host: dotted paths, sorted."""
    after, before = destination_fields(new), destination_fields(old)
    changed = {path for path in after.keys() | before.keys() if after.get(path) != before.get(path)}
    old_values = {path: value for path, _, value in _flatten(old, "")}
    for path, name, value in _flatten(new, ""):
        is_unverified = name in VERIFICATION_OFF and value is VERIFICATION_OFF[name] is not old_values.get(path)
        if is_unverified or (name in PIN_FIELDS and old_values.get(path) not in {None, "", value}):
            changed.add(path)
    return sorted(changed)


def is_readable_by_proxy(config: Struct) -> bool:
    """Whether a proxy can read what is sent: it is not encrypted, or the host is not verified."""
    fields = [(name, value) for _, name, value in _flatten(config, "")]
    is_plaintext = any(
        (name in READABLE_URL_FIELDS and str(value).lower().startswith(PLAINTEXT_SCHEMES))
        or (name, value) == ("security", "none")  # of mail servers
        for name, value in fields
    )
    is_unknown = config.__struct_config__.tag == "apprise"  # some of its services use http
    return (
        is_plaintext
        or is_unknown
        or any(name in VERIFICATION_OFF and value is VERIFICATION_OFF[name] for name, value in fields)
    )


def _destination_names(config: Struct) -> frozenset[str]:
    return URL_FIELDS | DESTINATION_FIELDS | FIELDS_BY_TYPE.get(str(config.__struct_config__.tag), frozenset())


def _flatten(config: Struct, prefix: str) -> Iterator[tuple[str, str, Any]]:
    """Every field, nested ones too: (dotted path, name, value); of a URL the part before the path."""
    for name, value in msgspec.structs.asdict(config).items():
        if isinstance(value, Struct):
            yield from _flatten(value, f"{prefix}{name}.")
            continue
        origin = _ORIGIN.match(value) if name in URL_FIELDS and isinstance(value, str) else None
        yield f"{prefix}{name}", name, origin.group().lower() if origin else value
