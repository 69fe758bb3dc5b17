"""Hosts, addresses and name servers: of whatever type has fields for them, by their names."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from app.domain.config_rules.error import Fault
from app.domain.config_rules.http import address_fault
from app.domain.parsing import hosts
from schema.field_types import MASK

HOSTS = frozenset({"host", "whois_server", "server_name", "resolver_name", "domain"})
HOSTS_AND_PORTS = frozenset({"brokers"})
ADDRESSES = frozenset(
    {
        *("url", "token_url", "rdap_url", "resolver_url", "nodes", "server_url", "webhook_url", "endpoint_url"),
        *("icon_url", "image_url", "click"),
    }
)
SERVERS = frozenset({"resolver_server", "resolvers"})  # IP addresses


def place_faults(config: Struct, at: str = "") -> Iterator[Fault]:
    """Every field that says where, also inside of other structs, and each item of a list."""
    for name, value in msgspec.structs.asdict(config).items():
        path = f"{at}{name}"
        if isinstance(value, Struct):
            yield from place_faults(value, f"{path}.")
        elif isinstance(value, str):
            yield from _faults(name, path, value)
        elif isinstance(value, list):
            for number, one in enumerate(value):
                if isinstance(one, str):
                    yield from _faults(name, f"{path}.{number}", one)


def _faults(name: str, path: str, value: str) -> Iterator[Fault]:
    if value and value != MASK and (words := _words(name, value)):
        yield path, words


def _words(name: str, value: str) -> str:
    if name in HOSTS:
        return _host_words(value.replace("*.", "", 1) if name == "server_name" else value)
    if name in HOSTS_AND_PORTS:
        return _host_words(value.rpartition(":")[0])
    if name in ADDRESSES and "://" in value:
        return address_fault(value)
    if name in SERVERS and not hosts.is_ip_address(value):
        return "must be the IP address of a name server"
    return ""


def _host_words(value: Any) -> str:
    try:
        hosts.wire_host(value)
    except ValueError as error:
        return str(error)
    return ""
