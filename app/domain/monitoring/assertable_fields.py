"""What the assertions of a config can be about, known before anything is asked. Pure.

A check that reads no value, or meets no certificate, has none to compare, whatever its target answers. Such a monitor
would be down for ever, and is refused when it is saved.
"""

from collections.abc import Callable, Iterator
from typing import Any

from app.domain.connections.ado import sqlserver_encryption, sqlserver_parameters
from app.domain.connections.databases import redis_encryption, redis_parameters
from app.domain.connections.mongodb import mongodb_cluster
from app.domain.connections.uris import Encryption
from app.domain.parsing.invalid_field import InvalidField
from app.domain.parsing.values import parse_decimal
from app.domain.validation.assertions import MAX_MATCHED_BYTES, PATTERN_OPERATORS
from schema.assertions import CertificateDays, Comparison, Operator, Value
from schema.targets import (
    Dns,
    Docker,
    Domain,
    Grpc,
    Http,
    KafkaProducer,
    Ldap,
    Mail,
    MailSecurity,
    Mongodb,
    Mqtt,
    Mysql,
    Ntp,
    Ping,
    Postgres,
    Rabbitmq,
    Redis,
    Snmp,
    Sqlserver,
    Ssh,
    Steam,
    Tcp,
    Website,
    WebSocket,
)
from schema.targets.http import HeaderAssertion
from schema.targets.services import LdapSecurity

ConfigError = tuple[str, str]  # field, what would be right
TEXT_OPERATORS = PATTERN_OPERATORS | {Operator.CONTAINS, Operator.CONTAINS_NOT}

# By type: what a config needs so that there is a value; empty when it has one. Types that are not here always may.
VALUE_REQUIREMENTS: dict[type, Callable[[Any], str]] = {
    Http: lambda one: "" if one.json_query else "needs a `json_query`: without one no value is read",
    Website: lambda _: "is not for websites, which read no value: use the type http with a `json_query`",
    Rabbitmq: lambda _: "is not for this type: no value is read",
    Mqtt: lambda one: "" if one.wait else "needs `wait`: without a message there is no value",
    Ldap: lambda one: "" if one.filter else "needs a `filter`: without a search there is no value",
}


def _site_requirement(one: Any) -> str:
    follows = one.max_redirects if isinstance(one, Http) else one.follow_redirects
    return "needs an https address" if not follows and one.url.lower().startswith("http:") else ""


NEEDS_TLS = "needs `tls`: without it there is no certificate"


def _tls_requirement(one: Any) -> str:
    return "" if one.tls else NEEDS_TLS


def _security_requirement(one: Any) -> str:
    is_open = one.security in {MailSecurity.NONE, LdapSecurity.NONE}
    return "needs a `security`: without it there is no certificate" if is_open else ""


def _encryption_requirement(read: Callable[[Any], Encryption]) -> Callable[[Any], str]:
    """Of a database: what its fields and its connection string say together."""

    def of(one: Any) -> str:
        try:
            return "" if read(one).tls else NEEDS_TLS
        except InvalidField:  # named by itself
            return ""

    return of


def _no_certificate(_: Any) -> str:
    return "is not for this type: its checks read no certificate"


# The same for certificates.
CERTIFICATE_REQUIREMENTS: dict[type, Callable[[Any], str]] = {
    **dict.fromkeys((Http, Website), _site_requirement),
    **dict.fromkeys((Tcp, Mqtt, KafkaProducer, Grpc), _tls_requirement),
    **dict.fromkeys((Mail, Ldap), _security_requirement),
    Mongodb: _encryption_requirement(lambda one: mongodb_cluster(one).encryption),
    Sqlserver: _encryption_requirement(lambda one: sqlserver_encryption(one, sqlserver_parameters(one))),
    Redis: _encryption_requirement(lambda one: redis_encryption(one, redis_parameters(one))),
    **dict.fromkeys(
        (Dns, Docker, Domain, Mysql, Ntp, Ping, Postgres, Rabbitmq, Snmp, Ssh, Steam, WebSocket), _no_certificate
    ),
}


def assertion_errors(config: Any) -> Iterator[ConfigError]:
    """Every assertion that could never hold, whatever the target answers."""
    for number, one in enumerate(getattr(config, "assertions", ())):
        place = f"assertions.{number}"
        if words := _missing_requirement(config, one):
            yield f"{place}.on", words
        if isinstance(one, Value):
            yield from _comparison_errors(place, one)
    for number, one in enumerate(getattr(config, "header_assertions", ())):
        yield from _comparison_errors(f"header_assertions.{number}", one)


def _missing_requirement(config: Any, one: object) -> str:
    if isinstance(one, Value) and (needs := VALUE_REQUIREMENTS.get(type(config))):
        return needs(config)
    if isinstance(one, CertificateDays) and (needs := CERTIFICATE_REQUIREMENTS.get(type(config))):
        return needs(config)
    return ""


def _comparison_errors(place: str, one: Value | HeaderAssertion) -> Iterator[ConfigError]:
    """A pattern is one; a number is compared with a number."""
    if one.compare and one.operator in TEXT_OPERATORS:
        yield f"{place}.compare", f"must be null with `{one.operator}`, which looks at text"
    elif one.compare is Comparison.NUMBER and parse_decimal(one.expected) is None:
        yield f"{place}.expected", "must be a number, since `compare` says so"
    if one.operator in PATTERN_OPERATORS:
        yield from _pattern_errors(f"{place}.expected", one.expected)


def _pattern_errors(field: str, pattern: str) -> Iterator[ConfigError]:
    from app.domain.validation import regex  # noqa: PLC0415  # a library that most monitors never need

    try:
        most = regex.max_bytes(pattern)
    except ValueError as error:
        yield field, f"is not RE2: {error}"
        return
    if most < MAX_MATCHED_BYTES:
        yield field, "is too large: repeat less often"
