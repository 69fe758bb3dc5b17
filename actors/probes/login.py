"""Where a database is and who asks it, from fields or from a connection string. Pure."""

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct

from actors.probes.seen import Unsure


class Login(Struct, frozen=True):
    """What it takes to connect. `options` are those of the connection string, by their lower-case names."""

    scheme: str
    host: str
    port: int
    username: str = ""
    password: str = ""
    database: str = ""
    options: Mapping[str, str] = {}


class Addressed(Protocol):
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


def login_of(target: Addressed, schemes: tuple[str, ...], options: frozenset[str], *, database: str = "") -> Login:
    """Raises Unsure for a connection string that can't be read, or asks for something that we don't know.

    schemes    the usual one first
    options    names that its query may have
    """
    if target.connection_string:
        return parsed(target.connection_string, schemes, options, target.port)
    return Login(schemes[0], target.host, target.port, target.username, target.password, database)


def parsed(text: str, schemes: tuple[str, ...], options: frozenset[str], port: int) -> Login:
    """Reads `scheme://user:password@host:port/database?option=value`; a password may hold any sign but `/?#`."""
    try:
        parts = urlsplit(text.strip())
        host, own_port = parts.hostname, parts.port
    except ValueError as error:
        raise Unsure("the connection string can't be read") from error
    if parts.scheme not in schemes or not host:
        raise Unsure(f"the connection string must look like {schemes[0]}://user:password@host:port/database")
    given = {name.lower(): value for name, value in parse_qsl(parts.query)}
    if unknown := sorted(given.keys() - options):
        raise Unsure(f"the connection string asks for what checks don't know: {', '.join(unknown)[:80]}")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Login(parts.scheme, host, own_port or port, user, password, unquote(parts.path.lstrip("/")), given)
