"""Connection strings of SQL Server: `Server=host,1433;Database=shop;User Id=watch;Password=…`, or a URI. Pure."""

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
MAX_LENGTH = 128  # of a name or a password in the protocol, in characters
# Blanks belong to a name or value and are stripped afterwards, so that a text matches in one way only.
OPTION_PATTERN = re.compile(r"\s*([^=;\s][^=;]*)=\s*(\"(?:[^\"]|\"\")*\"\s*|'(?:[^']|'')*'\s*|[^;]*)(?:;\s*|$)")
SERVER_PATTERN = re.compile(r"(?:tcp:)?(\[[^\]]+\]|[^,\\\s]+)(?:,\s*(\d{1,5}))?", re.IGNORECASE)
FIELD_ALIASES = {  # field: its names, without blanks
    "server": ("server", "datasource", "address", "addr", "networkaddress"),
    "database": ("database", "initialcatalog"),
    "username": ("userid", "uid", "user", "username"),
    "password": ("password", "pwd"),
}
FIELD_BY_ALIAS = {alias: name for name, aliases in FIELD_ALIASES.items() for alias in aliases}
TRUE_WORDS = frozenset({"true", "yes", "mandatory", "1"})
FALSE_WORDS = frozenset({"false", "no", "optional", "0"})


def sqlserver_parameters(target: Sqlserver) -> ConnectionParameters:
    """Address and credentials. Raises InvalidField for what can't be parsed or the protocol does not support."""
    text = target.connection_string
    if text and "://" not in text.partition("=")[0]:
        parameters = parse_ado_string(text, target.port)
    else:
        parameters = connection_parameters(target, SCHEMES, SQLSERVER, database=target.database)
        options = parameters.options
        database = options.get("database") or options.get("initialcatalog") or parameters.database
        parameters = msgspec.structs.replace(parameters, database=database)
    if not parameters.host:
        raise InvalidField(FIELD, "must name a host")
    for name in ("integratedsecurity", "trustedconnection"):
        if parameters.options.get(name, "no").lower() not in FALSE_WORDS:
            raise InvalidField(FIELD, "must have a User Id and a Password; Windows accounts are not supported")
    for name in ("username", "password", "database"):
        if len(getattr(parameters, name)) > MAX_LENGTH:
            raise InvalidField(FIELD if text else name, f"must have a {name} of at most {MAX_LENGTH} characters")
    return parameters


def sqlserver_encryption(target: Sqlserver, parameters: ConnectionParameters) -> Encryption:
    """How the connection is encrypted. Raises InvalidField for an option that is neither yes nor no."""
    tls = _is_on(parameters.options, "encrypt", default=target.tls)
    verify = not _is_on(parameters.options, "trustservercertificate", default=target.ignore_tls_errors)
    return Encryption(tls, verify_certificate=verify, verify_hostname=verify)


def parse_ado_string(text: str, port: int) -> ConnectionParameters:
    """Parses a connection string of ADO. Raises InvalidField if it is invalid or has an unknown option.

    port    if the string has none
    """
    fields, given = _split_fields(text)
    server = SERVER_PATTERN.fullmatch(fields.get("server", ""))
    if server is None:
        raise InvalidField(FIELD, "must have a Server=host,port; for a named instance, give its port")
    own_port = int(server.group(2) or port)
    if not 0 < own_port <= MAX_PORT:
        raise InvalidField(FIELD, f"must have a port from 1 to {MAX_PORT}")
    host = "127.0.0.1" if server.group(1).lower() in {".", "(local)"} else parse_host(server.group(1))
    username, password, database = (fields.get(name, "") for name in ("username", "password", "database"))
    return ConnectionParameters("ado", host, own_port, username, password, database, SQLSERVER.select(given))


def _split_fields(text: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Fields by their own names, and options as written."""
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


def _is_on(options: Mapping[str, str], name: str, *, default: bool) -> bool:
    """The option of the connection string, or else the default."""
    word = options.get(name, "").lower()
    if word in TRUE_WORDS | FALSE_WORDS:
        return word in TRUE_WORDS
    if word == "strict":
        raise InvalidField(FIELD, "must have an Encrypt other than Strict, which is not supported")
    return parse_bool(word, name) if word else default
