"""What the assertions of a config can be about, known before anything is asked. Pure.

A check that reads no value, or meets no certificate, has none to compare, whatever its target answers. Such a monitor
would be down for ever, and is refused when it is saved.
"""

from collections.abc import Callable, Iterator
from typing import Any

from app.domain.connections.ado import sqlserver_encryption, sqlserver_login
from app.domain.connections.databases import redis_encryption, redis_login
from app.domain.connections.mongodb import cluster_of
from app.domain.connections.uris import Encryption
from app.domain.monitoring.values import number_in
from app.domain.parsing.invalid_field import InvalidField
from app.domain.validation.assertions import MATCHED_BYTES, PATTERNS
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

Fault = tuple[str, str]  # field, what would be right
TEXTUAL = PATTERNS | {Operator.CONTAINS, Operator.CONTAINS_NOT}

# By type: what a config needs so that there is a value; empty when it has one. Types that are not here always may.
VALUES: dict[type, Callable[[Any], str]] = {
    Http: lambda one: "" if one.json_query else "needs a `json_query`: without one no value is read",
    Website: lambda _: "is not for websites, which read no value: use the type http with a `json_query`",
    Rabbitmq: lambda _: "is not for this type: no value is read",
    Mqtt: lambda one: "" if one.wait else "needs `wait`: without a message there is no value",
    Ldap: lambda one: "" if one.filter else "needs a `filter`: without a search there is no value",
}


def _of_site(one: Any) -> str:
    follows = one.max_redirects if isinstance(one, Http) else one.follow_redirects
    return "needs an https address" if not follows and one.url.lower().startswith("http:") else ""


NEEDS_TLS = "needs `tls`: without it there is no certificate"


def _with_tls(one: Any) -> str:
    return "" if one.tls else NEEDS_TLS


def _with_security(one: Any) -> str:
    is_open = one.security in {MailSecurity.NONE, LdapSecurity.NONE}
    return "needs a `security`: without it there is no certificate" if is_open else ""


def _as_read(read: Callable[[Any], Encryption]) -> Callable[[Any], str]:
    """Of a database: what its fields and its connection string say together."""

    def of(one: Any) -> str:
        try:
            return "" if read(one).wanted else NEEDS_TLS
        except InvalidField:  # named by itself
            return ""

    return of


def _never(_: Any) -> str:
    return "is not for this type: its checks read no certificate"


# The same for certificates.
CERTIFICATES: dict[type, Callable[[Any], str]] = {
    **dict.fromkeys((Http, Website), _of_site),
    **dict.fromkeys((Tcp, Mqtt, KafkaProducer, Grpc), _with_tls),
    **dict.fromkeys((Mail, Ldap), _with_security),
    Mongodb: _as_read(lambda one: cluster_of(one).encryption),
    Sqlserver: _as_read(lambda one: sqlserver_encryption(one, sqlserver_login(one))),
    Redis: _as_read(lambda one: redis_encryption(one, redis_login(one))),
    **dict.fromkeys((Dns, Docker, Domain, Mysql, Ntp, Ping, Postgres, Rabbitmq, Snmp, Ssh, Steam, WebSocket), _never),
}


def faults(config: Any) -> Iterator[Fault]:
    """Every assertion that could never hold, whatever the target answers."""
    for number, one in enumerate(getattr(config, "assertions", ())):
        place = f"assertions.{number}"
        if words := _lacking(config, one):
            yield f"{place}.on", words
        if isinstance(one, Value):
            yield from _compared(place, one)
    for number, one in enumerate(getattr(config, "header_assertions", ())):
        yield from _compared(f"header_assertions.{number}", one)


def _lacking(config: Any, one: object) -> str:
    if isinstance(one, Value) and (needs := VALUES.get(type(config))):
        return needs(config)
    if isinstance(one, CertificateDays) and (needs := CERTIFICATES.get(type(config))):
        return needs(config)
    return ""


def _compared(place: str, one: Value | HeaderAssertion) -> Iterator[Fault]:
    """A pattern is one; a number is compared with a number."""
    if one.compare and one.operator in TEXTUAL:
        yield f"{place}.compare", f"must be null with `{one.operator}`, which looks at text"
    elif one.compare is Comparison.NUMBER and number_in(one.expected) is None:
        yield f"{place}.expected", "must be a number, since `compare` says so"
    if one.operator in PATTERNS:
        yield from _pattern(f"{place}.expected", one.expected)


def _pattern(field: str, pattern: str) -> Iterator[Fault]:
    from app.domain.validation import regex  # noqa: PLC0415  # a library that most monitors never need

    try:
        most = regex.most_bytes(pattern)
    except ValueError as error:
        yield field, f"is not RE2: {error}"
        return
    if most < MATCHED_BYTES:
        yield field, "is too large: repeat less often"
