"""The hosts that a target's checks connect to, read from its config. Pure."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from msgspec import Struct

from app.domain.monitoring import secret_destinations

_WITH_PORT = re.compile(r"^(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:\[\]]+)):\d{1,5}$")
_HOSTS = ("host", "nodes", "brokers")  # fields that name hosts without a scheme, too


def hosts_of(config: Struct) -> Iterator[str]:
    """Names and addresses, each once; none for a target without hosts, such as a push monitor."""
    yield from dict.fromkeys(
        host
        for path, value in secret_destinations.destination_fields(config).items()
        for host in _hosts_in(path, value)
    )


def _hosts_in(path: str, value: object) -> Iterator[str]:
    if isinstance(value, list | tuple):
        for one in value:
            yield from _hosts_in(path, one)
    elif isinstance(value, str) and "://" in value:
        yield from _host_in_url(value)
    elif isinstance(value, str) and value and path.rpartition(".")[2] in _HOSTS:
        found = _WITH_PORT.match(value)
        yield found["six"] or found["host"] if found else value


def _host_in_url(address: str) -> Iterator[str]:
    try:
        host = urlsplit(address).hostname
    except ValueError:
        return
    if host:
        yield host
