"""PostgreSQL, MySQL and Redis: who connects where, and how it is encrypted. Raise InvalidField for what can't be read.

A mode's name means what it means to the database's own client; a mere `ssl=true` means what `tls` means here.
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
    "allow": SslMode.PREFER,  # without TLS first, and with it where that is refused: what is reached is the same
    **{one.value: one for one in SslMode},
}
MYSQL_MODES = {  # of mysql's own client; `tls` and `sslmode` as drivers in Go and Python write them
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
    """As libpq reads it: host, port, user, password and database may stand among the options as well."""
    login = connection_parameters(target, POSTGRES_SCHEMES, POSTGRES, database=target.database)
    given = login.options
    if "host" in given and not login.host:
        login = msgspec.structs.replace(login, host=parse_host(given["host"]))
    if "port" in given:
        login = msgspec.structs.replace(
            login, port=split_host_port(f"x:{given['port']}", "must have a number as port")[1]
        )
    beside = {"username": given.get("user"), "password": given.get("password"), "database": given.get("dbname")}
    return _require_host(msgspec.structs.replace(login, **{name: value for name, value in beside.items() if value}))


def postgres_ssl_mode(target: Postgres, login: ConnectionParameters) -> SslMode:
    """How much of TLS is insisted on."""
    if mode := login.options.get("sslmode"):
        if mode not in POSTGRES_MODES:
            raise InvalidField(FIELD, f"must have an sslmode of {', '.join(POSTGRES_MODES)}")
        return POSTGRES_MODES[mode]
    if "ssl" not in login.options:
        return target.sslmode
    word = login.options["ssl"]
    if word in POSTGRES_MODES:  # as asyncpg's users write it
        return POSTGRES_MODES[word]
    return SslMode.REQUIRE if parse_bool(word, "ssl") else SslMode.DISABLE


def postgres_settings(login: ConnectionParameters) -> dict[str, str]:
    """What the session is told, beside who we are."""
    given = login.options
    path = given.get("searchpath") or given.get("currentschema") or given.get("schema")
    found = {"search_path": path, "options": given.get("options")}
    return {name: value for name, value in found.items() if value}


def mysql_parameters(target: Mysql) -> ConnectionParameters:
    """As mysqlsh and the drivers read it."""
    return _require_host(connection_parameters(target, MYSQL_SCHEMES, MYSQL, database=target.database))


def mysql_encryption(target: Mysql, login: ConnectionParameters) -> Encryption:
    """How it is encrypted: the option that says most, else the fields."""
    given, usual = login.options, UNVERIFIED if target.ignore_tls_errors else VERIFIED
    for name in ("sslmode", "tls", "ssl", "usessl", "requiressl"):
        if name in given:
            found = _mysql_mode(given[name], name, usual)
            break
    else:
        found = usual if target.tls else PLAINTEXT
    for name in ("verifyservercertificate", "sslverifycert", "sslverifyidentity"):
        if found.tls and name in given:
            found = VERIFIED if parse_bool(given[name], name) else UNVERIFIED
    return found


def _mysql_mode(value: str, name: str, usual: Encryption) -> Encryption:
    word = value.strip().lower().replace("-", "").replace("_", "")
    if word in MYSQL_MODES:
        return MYSQL_MODES[word]
    if word.startswith("{"):  # as mysql2 writes it: {"rejectUnauthorized":true}
        return UNVERIFIED if _json_object(value, name).get("rejectUnauthorized") is False else usual
    try:
        return usual if parse_bool(value, name) else PLAINTEXT
    except InvalidField as error:
        modes = "disabled, preferred, required, verify_ca or verify_identity"
        raise InvalidField(FIELD, f"must have {modes}, or true or false, as its {name}") from error


def _json_object(value: str, name: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(value, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidField(FIELD, f"must have true, false or a JSON object as its {name}") from error


def redis_parameters(target: Redis) -> ConnectionParameters:
    """As redis-cli reads it; `db` may stand among the options as well."""
    login = _require_host(connection_parameters(target, REDIS_SCHEMES, REDIS, database=str(target.database)))
    number = login.options.get("db") or login.options.get("database") or login.database
    if number and not (number.isascii() and number.isdigit() and int(number[:10]) <= MAX_DATABASE):
        raise InvalidField(FIELD, f"must have a database's number, from 0 to {MAX_DATABASE}, behind the host")
    return msgspec.structs.replace(login, database=number)


def redis_encryption(target: Redis, login: ConnectionParameters) -> Encryption:
    """`rediss://` says it, an option, or the field."""
    given = login.options
    wanted = target.tls or login.scheme in REDIS_OVER_TLS
    for name in ("ssl", "tls"):
        wanted = parse_bool(given[name], name) if name in given else wanted
    ignores = target.ignore_tls_errors
    for name in ("skipverify", "insecure"):
        ignores = parse_bool(given[name], name) if name in given else ignores
    if (word := given.get("sslcertreqs", "").lower().removeprefix("cert_")) and word not in _REDIS_CERT_MODES:
        raise InvalidField(FIELD, f"must have an ssl_cert_reqs of {', '.join(_REDIS_CERT_MODES)}")
    ignores = _REDIS_CERT_MODES.get(word, ignores)
    return Encryption(wanted, verify_certificate=not ignores, verify_hostname=not ignores)


_REDIS_CERT_MODES = {"none": True, "optional": True, "required": False}  # whether errors are ignored


def _require_host(login: ConnectionParameters) -> ConnectionParameters:
    """Raises InvalidField where nothing says which host."""
    if not login.host:
        raise InvalidField(FIELD, "must name a host")
    return login
