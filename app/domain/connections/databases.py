"""PostgreSQL, MySQL and Redis: address, credentials and encryption. Raise InvalidField for what can't be parsed.

Names of modes mean the same as in the database's own client; a plain `ssl=true` means the same as our `tls`.
"""

from typing import Any

import msgspec

from app.domain.connections.options import FIELD, MYSQL, POSTGRES, REDIS
from app.domain.connections.uris import (
    ConnectionParameters,
    Encryption,
    connection_parameters,
    parse_bool,
    parse_host,
    split_host_port,
)
from app.domain.parsing.invalid_field import InvalidField
from schema.targets import Mysql, Postgres, Redis, SslMode

POSTGRES_SCHEMES = ("postgresql", "postgres", "cockroachdb")
MYSQL_SCHEMES = ("mysql", "mariadb")
REDIS_SCHEMES = ("redis", "rediss", "valkey", "valkeys")
REDIS_OVER_TLS = frozenset({"rediss", "valkeys"})
MAX_DATABASE = 65_535

PLAINTEXT = Encryption(tls=False)
OPPORTUNISTIC = Encryption(tls=True, required=False, verify_certificate=False, verify_hostname=False)
UNVERIFIED = Encryption(tls=True, verify_certificate=False, verify_hostname=False)
UNVERIFIED_NAME = Encryption(tls=True, verify_hostname=False)
VERIFIED = Encryption(tls=True)

POSTGRES_MODES = {
    "disable": SslMode.DISABLE,
    "allow": SslMode.PREFER,  # plaintext first, TLS if rejected: reaches the same servers
    **{mode.value: mode for mode in SslMode},
}
MYSQL_MODES = {  # of mysql's own client; `tls` and `sslmode` as in drivers for Go and Python
    "disabled": PLAINTEXT,
    "disable": PLAINTEXT,
    "preferred": OPPORTUNISTIC,
    "prefer": OPPORTUNISTIC,
    "required": UNVERIFIED,
    "require": UNVERIFIED,
    "skipverify": UNVERIFIED,
    "trust": UNVERIFIED,
    "verifyca": UNVERIFIED_NAME,
    "verifyidentity": VERIFIED,
    "verifyfull": VERIFIED,
}


def postgres_parameters(target: Postgres) -> ConnectionParameters:
    """Address and credentials as libpq reads them: each may be given as an option instead."""
    parameters = connection_parameters(target, POSTGRES_SCHEMES, POSTGRES, database=target.database)
    given = parameters.options
    if "host" in given and not parameters.host:
        parameters = msgspec.structs.replace(parameters, host=parse_host(given["host"]))
    if "port" in given:
        parameters = msgspec.structs.replace(
            parameters, port=split_host_port(f"x:{given['port']}", "must have a number as port")[1]
        )
    overrides = {"username": given.get("user"), "password": given.get("password"), "database": given.get("dbname")}
    return _require_host(
        msgspec.structs.replace(parameters, **{name: value for name, value in overrides.items() if value})
    )


def postgres_ssl_mode(target: Postgres, parameters: ConnectionParameters) -> SslMode:
    """How strict the connection is about TLS."""
    if mode := parameters.options.get("sslmode"):
        if mode not in POSTGRES_MODES:
            raise InvalidField(FIELD, f"must have an sslmode of {', '.join(POSTGRES_MODES)}")
        return POSTGRES_MODES[mode]
    if "ssl" not in parameters.options:
        return target.sslmode
    word = parameters.options["ssl"]
    if word in POSTGRES_MODES:  # as users of asyncpg write it
        return POSTGRES_MODES[word]
    return SslMode.REQUIRE if parse_bool(word, "ssl") else SslMode.DISABLE


def postgres_settings(parameters: ConnectionParameters) -> dict[str, str]:
    """Settings of the session."""
    given = parameters.options
    path = given.get("searchpath") or given.get("currentschema") or given.get("schema")
    settings = {"search_path": path, "options": given.get("options")}
    return {name: value for name, value in settings.items() if value}


def mysql_parameters(target: Mysql) -> ConnectionParameters:
    """Address and credentials as mysqlsh and the drivers read them."""
    return _require_host(connection_parameters(target, MYSQL_SCHEMES, MYSQL, database=target.database))


def mysql_encryption(target: Mysql, parameters: ConnectionParameters) -> Encryption:
    """How the connection is encrypted: by the most specific option, else by the fields of the target."""
    given, default = parameters.options, UNVERIFIED if target.ignore_tls_errors else VERIFIED
    for name in ("sslmode", "tls", "ssl", "usessl", "requiressl"):
        if name in given:
            encryption = _mysql_mode(given[name], name, default)
            break
    else:
        encryption = default if target.tls else PLAINTEXT
    for name in ("verifyservercertificate", "sslverifycert", "sslverifyidentity"):
        if encryption.tls and name in given:
            encryption = VERIFIED if parse_bool(given[name], name) else UNVERIFIED
    return encryption


def _mysql_mode(value: str, name: str, default: Encryption) -> Encryption:
    word = value.strip().lower().replace("-", "").replace("_", "")
    if word in MYSQL_MODES:
        return MYSQL_MODES[word]
    if word.startswith("{"):  # as mysql2 writes it: {"rejectUnauthorized":true}
        return UNVERIFIED if _json_object(value, name).get("rejectUnauthorized") is False else default
    try:
        return default if parse_bool(value, name) else PLAINTEXT
    except InvalidField as error:
        modes = "disabled, preferred, required, verify_ca or verify_identity"
        raise InvalidField(FIELD, f"must have {modes}, or true or false, as its {name}") from error


def _json_object(value: str, name: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(value, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidField(FIELD, f"must have true, false or a JSON object as its {name}") from error


def redis_parameters(target: Redis) -> ConnectionParameters:
    """Address and credentials as redis-cli reads them; the database may be the option `db`."""
    parameters = _require_host(connection_parameters(target, REDIS_SCHEMES, REDIS, database=str(target.database)))
    number = parameters.options.get("db") or parameters.options.get("database") or parameters.database
    if number and not (number.isascii() and number.isdigit() and int(number[:10]) <= MAX_DATABASE):
        raise InvalidField(FIELD, f"must have the number of a database, from 0 to {MAX_DATABASE}, after the host")
    return msgspec.structs.replace(parameters, database=number)


def redis_encryption(target: Redis, parameters: ConnectionParameters) -> Encryption:
    """How the connection is encrypted: by the scheme `rediss://`, an option, or the field of the target."""
    given = parameters.options
    tls = target.tls or parameters.scheme in REDIS_OVER_TLS
    for name in ("ssl", "tls"):
        tls = parse_bool(given[name], name) if name in given else tls
    ignores = target.ignore_tls_errors
    for name in ("skipverify", "insecure"):
        ignores = parse_bool(given[name], name) if name in given else ignores
    if (word := given.get("sslcertreqs", "").lower().removeprefix("cert_")) and word not in _REDIS_CERT_MODES:
        raise InvalidField(FIELD, f"must have an ssl_cert_reqs of {', '.join(_REDIS_CERT_MODES)}")
    ignores = _REDIS_CERT_MODES.get(word, ignores)
    return Encryption(tls, verify_certificate=not ignores, verify_hostname=not ignores)


_REDIS_CERT_MODES = {"none": True, "optional": True, "required": False}  # whether certificate errors are ignored


def _require_host(parameters: ConnectionParameters) -> ConnectionParameters:
    """The same parameters. Raises InvalidField without a host."""
    if not parameters.host:
        raise InvalidField(FIELD, "must name a host")
    return parameters
