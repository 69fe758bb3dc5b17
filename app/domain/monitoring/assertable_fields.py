"""Which assertions a config supports, known before its first check. Pure.

A check that reads no value, or sees no certificate, has none to compare, whatever its target answers. A monitor with
such an assertion would always be down, so it is rejected when it is saved.
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

# By type: what a config lacks to read a value; empty when it reads one. Types that are not here always do.
VALUE_REQUIREMENTS: dict[type, Callable[[Any], str]] = {
    Http: lambda config: "" if config.json_query else "needs a `json_query`, which reads the value",
    Website: lambda _: "is not for websites, which read no value; use the type http with a `json_query`",
    Rabbitmq: lambda _: "is not for this type, which reads no value",
    Mqtt: lambda config: (
        "" if config.wait_for_message else "needs `wait_for_message`, because the value is in the message"
    ),
    Ldap: lambda config: "" if config.filter else "needs a `filter`, because the value is a search result",
}


def _site_requirement(config: Any) -> str:
    follows = config.max_redirects if isinstance(config, Http) else config.follow_redirects
    return "needs an https address" if not follows and config.url.lower().startswith("http:") else ""


NEEDS_TLS = "needs `tls`; without it there is no certificate"


def _tls_requirement(config: Any) -> str:
    return "" if config.tls else NEEDS_TLS


def _security_requirement(config: Any) -> str:
    is_open = config.security in {MailSecurity.NONE, LdapSecurity.NONE}
    return "needs a `security`; without it there is no certificate" if is_open else ""


def _encryption_requirement(read: Callable[[Any], Encryption]) -> Callable[[Any], str]:
    """For a database: from its fields and its connection string together."""

    def requirement(config: Any) -> str:
        try:
            return "" if read(config).tls else NEEDS_TLS
        except InvalidField:  # reported as an error of its own
            return ""

    return requirement


def _no_certificate(_: Any) -> str:
    return "is not for this type, which reads no certificate"


# By type: what a config lacks to see a certificate.
CERTIFICATE_REQUIREMENTS: dict[type, Callable[[Any], str]] = {
    **dict.fromkeys((Http, Website), _site_requirement),
    **dict.fromkeys((Tcp, Mqtt, KafkaProducer, Grpc), _tls_requirement),
    **dict.fromkeys((Mail, Ldap), _security_requirement),
    Mongodb: _encryption_requirement(lambda config: mongodb_cluster(config).encryption),
    Sqlserver: _encryption_requirement(lambda config: sqlserver_encryption(config, sqlserver_parameters(config))),
    Redis: _encryption_requirement(lambda config: redis_encryption(config, redis_parameters(config))),
    **dict.fromkeys(
        (Dns, Docker, Domain, Mysql, Ntp, Ping, Postgres, Rabbitmq, Snmp, Ssh, Steam, WebSocket), _no_certificate
    ),
}


def assertion_errors(config: Any) -> Iterator[ConfigError]:
    """Every assertion that always fails, whatever the target answers."""
    for number, assertion in enumerate(getattr(config, "assertions", ())):
        path = f"assertions.{number}"
        if error := _missing_requirement(config, assertion):
            yield f"{path}.type", error
        if isinstance(assertion, Value):
            yield from _comparison_errors(path, assertion)
    for number, assertion in enumerate(getattr(config, "header_assertions", ())):
        yield from _comparison_errors(f"header_assertions.{number}", assertion)


def _missing_requirement(config: Any, assertion: object) -> str:
    if isinstance(assertion, Value) and (requirement := VALUE_REQUIREMENTS.get(type(config))):
        return requirement(config)
    if isinstance(assertion, CertificateDays) and (requirement := CERTIFICATE_REQUIREMENTS.get(type(config))):
        return requirement(config)
    return ""


def _comparison_errors(path: str, assertion: Value | HeaderAssertion) -> Iterator[ConfigError]:
    """Check that a pattern is valid, and that a number is compared with a number."""
    if assertion.compare and assertion.operator in TEXT_OPERATORS:
        yield f"{path}.compare", f"must be null with `{assertion.operator}`, which compares text"
    elif assertion.compare is Comparison.NUMBER and parse_decimal(assertion.expected) is None:
        yield f"{path}.expected", "must be a number, because `compare` is `number`"
    if assertion.operator in PATTERN_OPERATORS:
        yield from _pattern_errors(f"{path}.expected", assertion.expected)


def _pattern_errors(field: str, pattern: str) -> Iterator[ConfigError]:
    from app.domain.validation import regex  # noqa: PLC0415  # a library that most monitors never need

    try:
        max_bytes = regex.max_bytes(pattern)
    except ValueError as error:
        yield field, f"is not RE2: {error}"
        return
    if max_bytes < MAX_MATCHED_BYTES:
        yield field, "is too expensive; use fewer repetitions"
