"""Connection strings as addresses: `scheme://user:password@host:port/database?option=value`. Pure."""

import re
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import parse_qsl, unquote

from msgspec import Struct

from app.domain.connections.options import FIELD, KnownOptions
from app.domain.parsing import hosts
from app.domain.parsing.invalid_field import InvalidField

MAX_PORT = 65_535
_PARTS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(/[^?#]*)?(\?[^#]*)?(#.*)?", re.DOTALL)
_HOST_PORT = re.compile(r"(\[[^\]]*\]|[^:]*)(?::([0-9]*))?")


class ConnectionParameters(Struct, frozen=True):
    """What it takes to connect. `options` are those of the connection string that count, by their bare names."""

    scheme: str
    host: str
    port: int
    username: str = ""
    password: str = ""
    database: str = ""
    options: Mapping[str, str] = {}


class Encryption(Struct, frozen=True):
    """How a connection is encrypted.

    wanted         with TLS
    insists        a server without it is no use
    verifies       its certificate must be valid
    checks_name    and for the host
    """

    tls: bool
    required: bool = True
    verify_certificate: bool = True
    verify_hostname: bool = True


class ConnectionTarget(Protocol):
    """A target that says where it is either way."""

    @property
    def host(self) -> str:
        """Empty when there is a connection string."""

    @property
    def port(self) -> int:
        """Counts where the connection string has none."""

    @property
    def username(self) -> str:
        """As the server knows it."""

    @property
    def password(self) -> str:
        """Goes with it."""

    @property
    def connection_string(self) -> str:
        """Empty when there is a host."""


def connection_parameters(
    target: ConnectionTarget, schemes: tuple[str, ...], options: KnownOptions, *, database: str = ""
) -> ConnectionParameters:
    """Raises InvalidField for a connection string that can't be read, or has an option that we don't know.

    schemes    the usual one first; `+` and a driver's name may follow any of them
    options    what its query may have
    """
    if target.connection_string:
        return parse_uri(target.connection_string, schemes, options, target.port)
    return ConnectionParameters(schemes[0], target.host, target.port, target.username, target.password, database)


def parse_uri(text: str, schemes: tuple[str, ...], options: KnownOptions, port: int) -> ConnectionParameters:
    """Reads `scheme://user:password@host:port/database?option=value`; a password may hold any sign but `/?#`."""
    form = f"must look like {schemes[0]}://user:password@host:port/database"
    found = _PARTS.fullmatch(text.strip())
    if found is None:
        raise InvalidField(FIELD, form)
    scheme, authority, path, query, fragment = (one or "" for one in found.groups())
    scheme = scheme.lower().partition("+")[0]
    if scheme not in schemes:
        raise InvalidField(FIELD, form)
    if "@" not in authority and "@" in path + query + fragment:
        raise InvalidField(FIELD, "must have /, ? and # in a user name or password written as %2F, %3F and %23")
    given = options.select(parse_qsl(query[1:], keep_blank_values=True))
    user, _, place = authority.rpartition("@")
    username, _, password = user.partition(":")
    host, own_port = split_host_port(place, form)
    database = percent_decode(path[1:])
    return ConnectionParameters(
        scheme, host, own_port or port, percent_decode(username), percent_decode(password), database, given
    )


def split_host_port(text: str, form: str) -> tuple[str, int]:
    """Host and port; 0 where there is none. The host may be empty. Raises InvalidField."""
    if "," in text:
        raise InvalidField(FIELD, "must name one host: a monitor asks one")
    found = _HOST_PORT.fullmatch(text)
    if found is None:
        raise InvalidField(FIELD, form)
    host, port = found.group(1), int((found.group(2) or "0")[:10])
    if not 0 <= port <= MAX_PORT or (found.group(2) and not port):
        raise InvalidField(FIELD, f"must have a port from 1 to {MAX_PORT}")
    return (parse_host(host) if host else ""), port


def parse_host(text: str) -> str:
    """A connection string's host, as it is asked for. Raises InvalidField."""
    if not text:
        raise InvalidField(FIELD, "must name a host")
    try:
        return hosts.wire_host(percent_decode(text))
    except ValueError as error:
        raise InvalidField(FIELD, f"names a host that is none: it {error}") from error


def percent_decode(text: str) -> str:
    """What percent signs stand for. Raises InvalidField for bytes that are no text."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidField(FIELD, "must have UTF-8 behind its percent signs; % itself is written %25") from error


def parse_bool(value: str, name: str) -> bool:
    """What an option says that is on or off. Raises InvalidField."""
    word = value.strip().lower()
    if word in {"true", "yes", "on", "1", "y", "t"}:
        return True
    if word in {"false", "no", "off", "0", "n", "f"}:
        return False
    raise InvalidField(FIELD, f"must have true or false as its {name}")
