"""Connection strings that are URIs: `scheme://user:password@host:port/database?option=value`. Pure."""

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
    """Address and credentials of a database. `options` are the supported options, by bare name."""

    scheme: str
    host: str
    port: int
    username: str = ""
    password: str = ""
    database: str = ""
    options: Mapping[str, str] = {}


class Encryption(Struct, frozen=True):
    """How a connection is encrypted.

    required            without TLS the connection fails
    verify_certificate  the certificate must be valid
    verify_hostname     the certificate must be for the host
    """

    tls: bool
    required: bool = True
    verify_certificate: bool = True
    verify_hostname: bool = True


class ConnectionTarget(Protocol):
    """A target with either a host or a connection string."""

    @property
    def host(self) -> str:
        """Empty when there is a connection string."""

    @property
    def port(self) -> int:
        """Used when the connection string has none."""

    @property
    def username(self) -> str:
        """The user on the server."""

    @property
    def password(self) -> str:
        """The password of the user."""

    @property
    def connection_string(self) -> str:
        """Empty when there is a host."""


def connection_parameters(
    target: ConnectionTarget, schemes: tuple[str, ...], options: KnownOptions, *, database: str = ""
) -> ConnectionParameters:
    """The address and credentials of a target. Raises InvalidField for an invalid connection string.

    schemes    the usual one first; `+` and the name of a driver may follow
    options    what the query may have
    """
    if target.connection_string:
        return parse_uri(target.connection_string, schemes, options, target.port)
    return ConnectionParameters(schemes[0], target.host, target.port, target.username, target.password, database)


def parse_uri(text: str, schemes: tuple[str, ...], options: KnownOptions, port: int) -> ConnectionParameters:
    """Parses `scheme://user:password@host:port/database?option=value`; `/?#` in a password must be escaped."""
    form = f"must look like {schemes[0]}://user:password@host:port/database"
    found = _PARTS.fullmatch(text.strip())
    if found is None:
        raise InvalidField(FIELD, form)
    scheme, authority, path, query, fragment = (part or "" for part in found.groups())
    scheme = scheme.lower().partition("+")[0]
    if scheme not in schemes:
        raise InvalidField(FIELD, form)
    if "@" not in authority and "@" in path + query + fragment:
        raise InvalidField(FIELD, "must have /, ? and # in a user name or password written as %2F, %3F and %23")
    given = options.select(parse_qsl(query[1:], keep_blank_values=True))
    user, _, host_port = authority.rpartition("@")
    username, _, password = user.partition(":")
    host, own_port = split_host_port(host_port, form)
    database = percent_decode(path[1:])
    return ConnectionParameters(
        scheme, host, own_port or port, percent_decode(username), percent_decode(password), database, given
    )


def split_host_port(text: str, form: str) -> tuple[str, int]:
    """Host and port; the port is 0 if absent, and the host may be empty. Raises InvalidField."""
    if "," in text:
        raise InvalidField(FIELD, "must name one host only")
    found = _HOST_PORT.fullmatch(text)
    if found is None:
        raise InvalidField(FIELD, form)
    host, port = found.group(1), int((found.group(2) or "0")[:10])
    if not 0 <= port <= MAX_PORT or (found.group(2) and not port):
        raise InvalidField(FIELD, f"must have a port from 1 to {MAX_PORT}")
    return (parse_host(host) if host else ""), port


def parse_host(text: str) -> str:
    """The host of a connection string as a resolver takes it. Raises InvalidField."""
    if not text:
        raise InvalidField(FIELD, "must name a host")
    try:
        return hosts.wire_host(percent_decode(text))
    except ValueError as error:
        raise InvalidField(FIELD, f"has an invalid host: it {error}") from error


def percent_decode(text: str) -> str:
    """The text without percent-encoding. Raises InvalidField for bytes that are not UTF-8."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidField(FIELD, "must have UTF-8 after its percent signs; % itself is written %25") from error


def parse_bool(value: str, name: str) -> bool:
    """The value of an option that is on or off. Raises InvalidField."""
    word = value.strip().lower()
    if word in {"true", "yes", "on", "1", "y", "t"}:
        return True
    if word in {"false", "no", "off", "0", "n", "f"}:
        return False
    raise InvalidField(FIELD, f"must have true or false as its {name}")
