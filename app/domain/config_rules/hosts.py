"""Validates hosts, URLs and name servers in every config, by the names of its fields."""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from app.domain.config_rules.error import ConfigError
from app.domain.config_rules.http import url_error
from app.domain.parsing import hosts
from schema.field_types import MASK

HOST_FIELDS = frozenset({"host", "whois_server", "server_name", "resolver_name", "domain"})
HOST_PORT_FIELDS = frozenset({"brokers"})
URL_FIELDS = frozenset(
    {
        *("url", "token_url", "rdap_url", "resolver_url", "nodes", "server_url", "webhook_url", "endpoint_url"),
        *("icon_url", "image_url", "click"),
    }
)
NAME_SERVER_FIELDS = frozenset({"resolver_server", "resolvers"})  # IP addresses


def host_errors(config: Struct, at: str = "") -> Iterator[ConfigError]:
    """Errors in every host, URL and name server, also in nested structs and in lists."""
    for name, value in msgspec.structs.asdict(config).items():
        path = f"{at}{name}"
        if isinstance(value, Struct):
            yield from host_errors(value, f"{path}.")
        elif isinstance(value, str):
            yield from _value_errors(name, path, value)
        elif isinstance(value, list):
            for number, item in enumerate(value):
                if isinstance(item, str):
                    yield from _value_errors(name, f"{path}.{number}", item)


def _value_errors(name: str, path: str, value: str) -> Iterator[ConfigError]:
    if value and value != MASK and (message := _value_error(name, value)):
        yield path, message


def _value_error(name: str, value: str) -> str:
    if name in HOST_FIELDS:
        return _host_error(value.replace("*.", "", 1) if name == "server_name" else value)
    if name in HOST_PORT_FIELDS:
        return _host_error(value.rpartition(":")[0])
    if name in URL_FIELDS and "://" in value:
        return url_error(value)
    if name in NAME_SERVER_FIELDS and not hosts.is_ip_address(value):
        return "must be the IP address of a name server"
    return ""


def _host_error(value: str) -> str:
    try:
        hosts.wire_host(value)
    except ValueError as error:
        return str(error)
    return ""
