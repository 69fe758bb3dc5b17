"""Rules of single types: connection strings, filters, object names, keys, commands, limits of protocols."""

from collections.abc import Callable, Iterator
from typing import Any

from app.domain.config_rules.error import ConfigError
from app.domain.connections import databases
from app.domain.connections.ado import sqlserver_encryption, sqlserver_parameters
from app.domain.connections.mongodb import mongodb_cluster
from app.domain.parsing import ldap_filter, untrusted_json
from app.domain.parsing.invalid_field import InvalidField
from schema.proxies import ProxyConfig, ProxyDraft, ProxyProtocol
from schema.targets import Grpc, Ldap, Mongodb, Mysql, Postgres, Redis, Snmp, Sqlserver, Ssh

MAX_ARC = 4_294_967_295  # RFC 2578, 3.5
MAX_SECOND_ARC = 39  # X.660: below the first two roots


def postgres_errors(config: Postgres) -> Iterator[ConfigError]:
    """Errors of a `postgres` monitor."""
    yield from _parse_errors(lambda: databases.postgres_ssl_mode(config, databases.postgres_parameters(config)))


def mysql_errors(config: Mysql) -> Iterator[ConfigError]:
    """Errors of a `mysql` monitor."""
    yield from _parse_errors(lambda: databases.mysql_encryption(config, databases.mysql_parameters(config)))


def redis_errors(config: Redis) -> Iterator[ConfigError]:
    """Errors of a `redis` monitor."""
    yield from _parse_errors(lambda: databases.redis_encryption(config, databases.redis_parameters(config)))


def sqlserver_errors(config: Sqlserver) -> Iterator[ConfigError]:
    """Errors of a `sqlserver` monitor."""
    yield from _parse_errors(lambda: sqlserver_encryption(config, sqlserver_parameters(config)))


def mongodb_errors(config: Mongodb) -> Iterator[ConfigError]:
    """Errors of a `mongodb` monitor."""
    yield from _parse_errors(lambda: mongodb_cluster(config))
    if "{" in config.command:
        yield from _parse_errors(lambda: _check_extended_json(config.command))


def ldap_errors(config: Ldap) -> Iterator[ConfigError]:
    """Errors of an `ldap` monitor."""
    if config.filter:
        yield from _parse_errors(lambda: ldap_filter.parse_filter(config.filter), "filter")


def snmp_errors(config: Snmp) -> Iterator[ConfigError]:
    """Errors of an `snmp` monitor."""
    first, second, *rest = map(int, config.oid.strip(".").split("."))
    if (first < 2 and second > MAX_SECOND_ARC) or max((second, *rest)) > MAX_ARC:  # noqa: PLR2004  # the third root
        yield (
            "oid",
            "must be a valid object identifier: after 0 or 1 comes at most 39, and no number is above 4294967295",
        )
    for name in ("username", "context"):
        if len(getattr(config, name).encode()) > _MAX_SNMP_BYTES[name]:
            yield name, f"must be at most {_MAX_SNMP_BYTES[name]} bytes long"


_MAX_SNMP_BYTES = {"username": 32, "context": 255}  # RFC 3414, 5 and RFC 3411, 3.3.1


def ssh_errors(config: Ssh) -> Iterator[ConfigError]:
    """Errors of an `ssh` monitor."""
    if not (config.username.isascii() and config.username.isprintable()):
        yield from _parse_errors(lambda: _check_ssh_name(config.username), "username")
    if config.private_key:
        yield from _parse_errors(lambda: _check_ssh_key(config.private_key), "private_key")


def _check_ssh_name(text: str) -> None:
    from asyncssh.saslprep import SASLPrepError, saslprep  # noqa: PLC0415  # 10 MB, for names beyond ASCII

    try:
        saslprep(text)
    except SASLPrepError as error:
        raise ValueError(f"must be a valid user name for SSH: {str(error)[:80].lower()}") from error


def grpc_errors(config: Grpc) -> Iterator[ConfigError]:
    """Errors of a `grpc` monitor; only the server knows which fields the body may have."""
    if config.body:
        yield from _parse_errors(lambda: _check_json_object(config.body), "body")


def _check_json_object(text: str) -> None:
    try:
        value = untrusted_json.decode(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON: {str(error)[:120]}") from error
    if not isinstance(value, dict):
        raise ValueError("must be a JSON object")  # noqa: TRY004  # the text is invalid, not its type


def _check_ssh_key(text: str) -> None:
    import asyncssh  # noqa: PLC0415  # 10 MB, for monitors that log in by a key

    try:
        asyncssh.import_private_key(text)
    except (asyncssh.KeyImportError, ValueError) as error:
        raise ValueError("must be a private key of OpenSSH or in PEM, without a passphrase") from error


def _check_extended_json(command: str) -> None:
    from bson import json_util  # noqa: PLC0415  # an extra
    from bson.errors import BSONError  # noqa: PLC0415  # an extra

    try:
        json_util.loads(command)
    except (BSONError, ValueError, TypeError, OverflowError) as error:
        raise InvalidField("command", f"must be a command in MongoDB's JSON: {str(error)[:120]}") from error


def _parse_errors(parse: Callable[[], Any], field: str = "") -> Iterator[ConfigError]:
    """The error of a parser, if any, in the field that the parser names, or else in `field`."""
    try:
        parse()
    except InvalidField as error:
        yield error.field, error.reason
    except ImportError:  # an extra that is not installed: such monitors are rejected earlier
        return
    except ValueError as error:
        yield field, str(error)


_MAX_SOCKS_BYTES = 255  # RFC 1929, 2


def proxy_errors(config: ProxyDraft | ProxyConfig) -> Iterator[ConfigError]:
    """Errors of a proxy: its protocol limits user names and passwords."""
    if config.protocol in {ProxyProtocol.SOCKS5, ProxyProtocol.SOCKS5H}:
        for name in ("username", "password"):
            if len(getattr(config, name).encode()) > _MAX_SOCKS_BYTES:
                yield name, f"must be at most {_MAX_SOCKS_BYTES} bytes long for SOCKS5"
    if config.protocol in {ProxyProtocol.HTTP, ProxyProtocol.HTTPS} and ":" in config.username:
        yield "username", "must not contain a colon for an HTTP proxy"
