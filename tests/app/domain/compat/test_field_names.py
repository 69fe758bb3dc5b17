"""Configs are translated to the format of document 002 and back."""

import msgspec
import pytest

from app.domain.compat import field_names
from app.errors import Invalid
from schema.errors import FieldError
from schema.targets import TARGETS, Dns


@pytest.mark.parametrize("value", ["192.0.2.1", ["192.0.2.1"]])
def test_a_config_survives_translation_both_ways(value):
    theirs = {"domain": "example.com", "record_type": "A", "expected_value": value, "timeout": 3}
    ours, timeout_s = field_names.to_monitor_config("dns", theirs)
    assert (ours, timeout_s) == ({"host": "example.com", "resolve_type": "A", "expected": ["192.0.2.1"]}, 3)
    config = field_names.to_check_config(Dns(**ours), 3.0)
    assert theirs.keys() <= config.keys()
    assert (config["domain"], config["expected_value"], config["timeout"]) == ("example.com", ["192.0.2.1"], 3.0)
    assert "type" not in config


def test_fields_that_are_wrong_are_called_as_the_client_calls_them():
    names = ["config.host", "config.expected.0", "config.port", "timeout", "interval", "cron", "active", "name"]
    error = field_names.with_check_fields("dns", Invalid([FieldError(name, "is wrong") for name in names]))
    assert [one.field for one in error.fields] == [
        "config.domain",
        "config.expected_value.0",
        "config.port",
        "config.timeout",
        "schedule",
        "schedule",
        "enabled",
        "name",
    ]


@pytest.mark.parametrize(
    ("theirs", "host", "port"),
    [
        ({"hostname": "example.com"}, "example.com", None),
        ({"hostname": "https://example.com/path?x"}, "example.com", None),
        ({"hostname": "https://example.com:8443"}, "example.com", 8443),
        ({"hostname": "https://example.com:8443", "port": 443}, "example.com", 443),
        ({"hostname": "https://[2001:db8::1]:8443/"}, "2001:db8::1", 8443),
        ({"hostname": "https://me@example.com/"}, "https://me@example.com/", None),
    ],
)
def test_a_certificates_host_may_be_an_address(theirs, host, port):
    ours, _ = field_names.to_monitor_config("ssl", theirs)
    assert (ours["host"], ours.get("port")) == (host, port)


@pytest.mark.parametrize(
    ("switches", "security"),
    [
        ({"use_ssl": True, "use_tls": False}, "tls"),
        ({"use_tls": True}, "starttls"),
        ({"use_ssl": False, "use_tls": False}, "none"),
        ({"use_ssl": True, "security": "starttls"}, "starttls"),
    ],
)
def test_a_mail_servers_switches_are_one_choice_and_switches_again(switches, security):
    ours, _ = field_names.to_monitor_config("mail", {"hostname": "mail.example", "protocol": "smtp", **switches})
    assert ours == {"host": "mail.example", "protocol": "smtp", "security": security}
    config = field_names.to_check_config(msgspec.convert(ours, TARGETS["mail"]))
    assert (config["hostname"], config["use_ssl"], config["use_tls"]) == (
        "mail.example",
        security == "tls",
        security == "starttls",
    )
    assert field_names.to_monitor_config("mail", config)[0]["security"] == security


def test_a_switch_that_is_neither_on_nor_off_stays_to_be_refused():
    ours, _ = field_names.to_monitor_config("mail", {"use_ssl": "yes"})
    assert ours == {"use_ssl": "yes"}


@pytest.mark.parametrize("name", ["headers", "response_headers"])
def test_an_answers_headers_have_the_documents_name(name):
    facts = field_names.result_facts({name: {"Content-Type": "text/html"}, "status_code": 200})
    assert facts["headers"] == {"content-type": "text/html"}
    assert (facts["status_code"], field_names.result_facts(None)) == (200, {})


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"domain": "example.com", "subdomain": "www"}, {"host": "www.example.com"}),
        ({"check_authoritative": True, "check_dnssec": True}, {"authoritative": True, "dnssec": True}),
        ({"check_propagation": True}, {"resolvers": list(field_names.PUBLIC_RESOLVERS)}),
        ({"check_propagation": False, "resolvers": ["192.0.2.1"]}, {}),
        (
            {"check_propagation": True, "resolvers": [{"ip": "192.0.2.1", "name": "a"}, "192.0.2.2"], "max_workers": 3},
            {"resolvers": ["192.0.2.1", "192.0.2.2"]},
        ),
    ],
)
def test_requested_field_names_are_translated(theirs, ours):
    assert field_names.to_monitor_config("dns", theirs)[0] == ours


@pytest.mark.parametrize("resolvers", [[], ["192.0.2.1"]])
def test_propagation_is_checked_where_there_are_resolvers(resolvers):
    config = field_names.to_check_config(Dns(host="example.com", resolvers=resolvers))
    assert config["check_propagation"] is bool(resolvers)
    assert field_names.to_monitor_config("dns", config)[0].get("resolvers", []) == resolvers
