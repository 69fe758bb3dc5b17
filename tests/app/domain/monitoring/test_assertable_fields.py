"""An assertion that could never hold, whatever the target answers, is refused when it is saved."""

import inspect
from importlib import import_module

import msgspec
import pytest

from actors.probes import PROBES
from app.domain import config_rules
from app.domain.monitoring import assertable_fields
from schema.assertions import CertificateDays, Operator, Value
from schema.targets import (
    TARGETS,
    Dns,
    Grpc,
    Http,
    KafkaProducer,
    Ldap,
    Mail,
    Mongodb,
    Mqtt,
    Mysql,
    Ping,
    Postgres,
    Rabbitmq,
    Redis,
    Snmp,
    Sqlserver,
    Ssl,
    Tcp,
    Website,
    WebSocket,
)
from schema.targets.http import HeaderAssertion

VALUE, DAYS = Value(operator=Operator.DIFFERS, expected="error"), CertificateDays(min_days=7)
HOST = {"host": "a.test"}
PLACE = HOST | {"port": 1}
SITE, SAFE = {"url": "http://a.test/"}, {"url": "https://a.test/"}
MQTT, KAFKA = HOST | {"topic": "a"}, {"brokers": ["a.test:1"], "topic": "a", "message": "a"}


def faults(kind: type, fields: dict, *assertions: object) -> dict[str, str]:
    config = msgspec.convert({**fields, "assertions": []}, kind) if kind is Mail else kind(**fields)
    config = msgspec.structs.replace(config, assertions=list(assertions))
    return {one.field: one.message for one in config_rules.field_errors(config)}


@pytest.mark.parametrize(
    ("kind", "fields", "assertion", "message"),
    [
        (Http, SITE, VALUE, "needs a `json_query`"),
        (Http, SITE | {"json_query": "$.a"}, VALUE, ""),
        (Website, SITE, VALUE, "is not for websites"),
        (Rabbitmq, HOST | {"username": "a"}, VALUE, "is not for this type"),
        (Mqtt, MQTT | {"wait_for_message": False}, VALUE, "needs `wait_for_message`"),
        (Mqtt, MQTT, VALUE, ""),
        (Ldap, HOST, VALUE, "needs a `filter`"),
        (Ldap, HOST | {"filter": "(cn=a)"}, VALUE, ""),
        (Tcp, PLACE, VALUE, ""),
        (Http, SITE, DAYS, ""),  # it may redirect to https
        (Http, SITE | {"max_redirects": 0}, DAYS, "needs an https address"),
        (Http, SAFE | {"max_redirects": 0}, DAYS, ""),
        (Website, SITE | {"follow_redirects": False}, DAYS, "needs an https address"),
        (Tcp, PLACE, DAYS, "needs `tls`"),
        (Tcp, PLACE | {"tls": True}, DAYS, ""),
        (Mqtt, MQTT, DAYS, "needs `tls`"),
        (KafkaProducer, KAFKA, DAYS, "needs `tls`"),
        (Grpc, PLACE, DAYS, "needs `tls`"),
        (Ldap, HOST, DAYS, "needs a `security`"),
        (Mail, HOST | {"protocol": "imap"}, DAYS, "needs a `security`"),
        (Mail, HOST | {"protocol": "imap", "security": "starttls"}, DAYS, ""),
        (Redis, HOST, DAYS, "needs `tls`"),
        (Redis, {"connection_string": "redis://a.test"}, DAYS, "needs `tls`"),
        (Redis, {"connection_string": "rediss://a.test"}, DAYS, ""),
        (Mongodb, HOST, DAYS, "needs `tls`"),
        (Mongodb, {"connection_string": "mongodb://a.test/?tls=true"}, DAYS, ""),
        (Sqlserver, HOST | {"tls": False}, DAYS, "needs `tls`"),
        (Sqlserver, HOST, DAYS, ""),
        (Ssl, HOST, DAYS, ""),
        (Dns, HOST, DAYS, "is not for this type"),
        (Ping, HOST, DAYS, "is not for this type"),
        (Mysql, HOST, DAYS, "is not for this type"),
        (Postgres, HOST, DAYS, "is not for this type"),
        (WebSocket, {"url": "wss://a.test"}, DAYS, "is not for this type"),
        (Snmp, HOST | {"oid": "1.3.6"}, DAYS, "is not for this type"),
    ],
)
def test_assertions_on_values_that_a_check_never_reads_are_rejected(kind, fields, assertion, message):
    found = faults(kind, fields, assertion)
    assert found.keys() == ({"assertions.0.type"} if message else set())
    assert found.get("assertions.0.type", "").startswith(message)


@pytest.mark.parametrize("kind", [one for one in TARGETS.values() if "assertions" in one.__struct_fields__])
def test_every_type_declares_whether_it_has_certificates(kind):
    """A probe that reads no certificate is in the table, so that it cannot be asserted."""
    source = inspect.getsource(import_module(f"actors.probes.types.{PROBES[kind]}"))
    is_there = "certificate_days" in source or kind is Ssl
    never = assertable_fields.CERTIFICATE_REQUIREMENTS.get(kind) is assertable_fields._no_certificate
    assert is_there is not never


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"operator": "matches", "expected": "("}, "expected", "is not RE2: missing )"),
        ({"operator": "not_matches", "expected": "((a{100}){100}){100}"}, "expected", "is not RE2: "),
        ({"operator": "matches", "expected": "(a?){1000}b"}, "", ""),
        ({"operator": "matches", "expected": r"\pL{30}"}, "expected", "is too expensive"),
        ({"operator": "matches", "expected": "^v[0-9]+"}, "", ""),
        ({"operator": "<", "expected": "ten", "compare": "number"}, "expected", "must be a number"),
        ({"operator": "<", "expected": "1e3", "compare": "number"}, "", ""),
        ({"operator": "<", "expected": "ten", "compare": "text"}, "", ""),
        ({"operator": "contains", "expected": "1", "compare": "number"}, "compare", "must be null with `contains`"),
    ],
)
def test_expected_values_must_be_valid_for_the_operator(fields, field, message):
    value = msgspec.convert({"type": "value", **fields}, Value)
    header = msgspec.convert({"name": "X-A", **fields}, HeaderAssertion)
    for place, config in (
        ("assertions.0", Http(url="http://a.test", json_query="$.a", assertions=[value])),
        ("header_assertions.0", Http(url="http://a.test", header_assertions=[header])),
    ):
        found = {one.field: one.message for one in config_rules.field_errors(config)}
        assert found.keys() == ({f"{place}.{field}"} if field else set())
        assert found.get(f"{place}.{field}", "").startswith(message)
