"""SQL Server's connection strings: `Server=host,1433;Database=shop;User Id=watch;Password=…`, or an address. Pure."""

import re
from collections.abc import Mapping

import msgspec

from app.domain.connections.options import FIELD, SQLSERVER, bare_name
from app.domain.connections.uris import (
    MAX_PORT,
    ConnectionParameters,
    Encryption,
    connection_parameters,
    parse_bool,
    parse_host,
)
from app.domain.parsing.invalid_field import InvalidField
from schema.targets import Sqlserver

SCHEMES = ("sqlserver", "mssql")
MAX_LENGTH = 128  # of a name or a password, in the protocol
# Blanks belong to a name or value here, and are taken off after: there is one way only to read a text.
OPTION_PATTERN = re.compile(r"\s*([^=;\s][^=;]*)=\s*(\"(?:[^\"]|\"\")*\"\s*|'(?:[^']|'')*'\s*|[^;]*)(?:;\s*|$)")
SERVER_PATTERN = re.compile(r"(?:tcp:)?(\[[^\]]+\]|[^,\\\s]+)(?:,\s*(\d{1,5}))?", re.IGNORECASE)
FIELD_ALIASES = {  # of fields, as they may be called; spaces do not count
    "server": ("server", "datasource", "address", "addr", "networkaddress"),
    "database": ("database", "initialcatalog"),
    "username": ("userid", "uid", "user", "username"),
    "password": ("password", "pwd"),
}
FIELD_BY_ALIAS = {alias: name for name, aliases in FIELD_ALIASES.items() for alias in aliases}
TRUE_WORDS = frozenset({"true", "yes", "mandatory", "1"})
FALSE_WORDS = frozenset({"false", "no", "optional", "0"})


def sqlserver_parameters(target: Sqlserver) -> ConnectionParameters:
    """Where it is and who asks. Raises InvalidField for what can't be read, and for what the protocol can't say."""
    text = target.connection_string
    if text and "://" not in text.partition("=")[0]:
        login = parse_ado_string(text, target.port)
    else:
        login = connection_parameters(target, SCHEMES, SQLSERVER, database=target.database)
        named = login.options.get("database") or login.options.get("initialcatalog") or login.database
        login = msgspec.structs.replace(login, database=named)
    if not login.host:
        raise InvalidField(FIELD, "must name a host")
    for name in ("integratedsecurity", "trustedconnection"):
        if login.options.get(name, "no").lower() not in FALSE_WORDS:
            raise InvalidField(FIELD, "must sign in with a User Id and a Password: checks have no Windows account")
    for name in ("username", "password", "database"):
        if len(getattr(login, name)) > MAX_LENGTH:
            raise InvalidField(FIELD if text else name, f"must have a {name} of at most {MAX_LENGTH} characters")
    return login


def sqlserver_encryption(target: Sqlserver, login: ConnectionParameters) -> Encryption:
    """How it is encrypted. Raises InvalidField for a word that is neither yes nor no."""
    wanted = _is_on(login.options, "encrypt", usual=target.tls)
    ignored = _is_on(login.options, "trustservercertificate", usual=target.ignore_tls_errors)
    return Encryption(wanted, verify_certificate=not ignored, verify_hostname=not ignored)


def parse_ado_string(text: str, port: int) -> ConnectionParameters:
    """Raises InvalidField for a string that can't be read, or has an option that we don't know.

    port    where the string has none
    """
    fields, given = _split_fields(text)
    found = SERVER_PATTERN.fullmatch(fields.get("server", ""))
    if found is None:
        raise InvalidField(FIELD, "must have a Server=host,port; named instances have a port of their own")
    own_port = int(found.group(2) or port)
    if not 0 < own_port <= MAX_PORT:
        raise InvalidField(FIELD, f"must have a port from 1 to {MAX_PORT}")
    host = "127.0.0.1" if found.group(1).lower() in {".", "(local)"} else parse_host(found.group(1))
    username, password, database = (fields.get(name, "") for name in ("username", "password", "database"))
    return ConnectionParameters("ado", host, own_port, username, password, database, SQLSERVER.select(given))


def _split_fields(text: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Fields by what they are, and options as they are written."""
    fields, given, at = dict[str, str](), list[tuple[str, str]](), 0
    while at < len(text.rstrip()):
        part = OPTION_PATTERN.match(text, at)
        if part is None:
            raise InvalidField(FIELD, "must be pairs such as Server=host,1433;Database=shop;User Id=me;Password=…")
        name, value, at = part.group(1), _unquoted(part.group(2).rstrip()), part.end()
        if field := FIELD_BY_ALIAS.get(bare_name(name)):
            fields[field] = value
        else:
            given.append((name, value))
    return fields, given


def _unquoted(value: str) -> str:
    quote = value[:1]
    return value[1:-1].replace(quote * 2, quote) if quote in ('"', "'") and quote else value


def _is_on(options: Mapping[str, str], name: str, *, usual: bool) -> bool:
    """What the connection string says, or else the target."""
    word = options.get(name, "").lower()
    if word in TRUE_WORDS | FALSE_WORDS:
        return word in TRUE_WORDS
    if word == "strict":
        raise InvalidField(FIELD, "must have an Encrypt other than Strict, which checks don't speak")
    return parse_bool(word, name) if word else usual
