"""Addresses made from fields, and the errors of fields that make none."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from app.domain.alerting import apprise_urls
from schema.channels import Apprise

ZULIP = {"botname": "watch", "organization": "example"}
TOKEN = {"token": "a6k4Ab1cd2Ef3gh4Ij5kl6Mn7op8Qr9s"}


def made(service: str, fields: dict[str, Any], **secrets: str) -> str:
    return apprise_urls.build_url(Apprise(service=service, fields=fields, secrets=secrets))


def faults(**config: Any) -> list[tuple[str, str]]:
    return list(apprise_urls.config_errors(Apprise(**config)))


@pytest.mark.parametrize(
    ("service", "fields", "secrets", "url"),
    [
        ("zulip", ZULIP, TOKEN, f"zulip://watch@example/{TOKEN['token']}"),
        ("zulip", ZULIP | {"targets": ["a b", "c/d"]}, TOKEN, f"zulip://watch@example/{TOKEN['token']}/a%20b/c%2Fd"),
        ("gotify", {"host": "push.example"}, {"token": "A/b?c#d"}, "gotifys://push.example/A%2Fb%3Fc%23d"),
        ("gotify", {"host": "h", "port": 8080, "schema": "gotify"}, {"token": "t"}, "gotify://h:8080/t"),
        ("gotify", {"host": "h", "path": "a/b c"}, {"token": "t"}, "gotifys://h/a/b%20c/t"),
        ("gotify", {"host": "h", "priority": 8, "verify": False}, {"token": "t"}, "gotifys://h/t?verify=no&priority=8"),
        ("custom_json", {"host": "h", "method": "PUT"}, {}, "jsons://h/?method=PUT"),
        ("postmark", {"from_email": "a@b.example"}, {"apikey": "k"}, "postmark://k:a@b.example"),
    ],
)
def test_fields_make_an_address(service: str, fields: dict[str, Any], secrets: dict[str, str], url: str) -> None:
    assert faults(service=service, fields=fields, secrets=secrets) == []
    parts = made(service, fields, **secrets).replace("priority=8&verify=no", "verify=no&priority=8")
    assert parts == url


@given(st.text(min_size=1).filter(lambda one: one.isprintable()))
def test_no_value_leaves_its_place(token: str) -> None:
    url = made("gotify", {"host": "h"}, token=token)
    assert url.startswith("gotifys://h/")
    assert not set(url.removeprefix("gotifys://h/")) & set("/?#@: &=")


@pytest.mark.parametrize(
    ("config", "field", "message"),
    [
        ({}, "service", "is not in the catalogue; send one of its services, or a url"),
        ({"service": "smoke"}, "service", "is not in the catalogue; send one of its services, or a url"),
        ({"service": "zulip", "fields": ZULIP}, "secrets.token", "is required"),
        ({"service": "zulip", "secrets": TOKEN, "fields": {"botname": "b"}}, "fields.organization", "is required"),
        (
            {"service": "zulip", "secrets": TOKEN, "fields": ZULIP | {"smoke": "1"}},
            "fields.smoke",
            "is not a field of this service",
        ),
        (
            {"service": "gotify", "fields": {"host": "h", "token": "t"}},
            "fields.token",
            "is secret; send it in secrets",
        ),
        (
            {"service": "gotify", "fields": {"priority": 5}, "secrets": {"token": "t", "host": "h"}},
            "secrets.host",
            "is not secret; send it in fields",
        ),
        (
            {"service": "gotify", "fields": {"host": "h", "port": "80"}, "secrets": {"token": "t"}},
            "fields.port",
            "must be an integer",
        ),
        (
            {"service": "gotify", "fields": {"host": "h", "port": True}, "secrets": {"token": "t"}},
            "fields.port",
            "must be an integer",
        ),
        (
            {"service": "gotify", "fields": {"host": "h", "verify": 1}, "secrets": {"token": "t"}},
            "fields.verify",
            "must be a boolean",
        ),
        (
            {"service": "gotify", "fields": {"host": "h", "priority": 4}, "secrets": {"token": "t"}},
            "fields.priority",
            "must be one of 0, 10, 3, 5, 8",
        ),
        (
            {"service": "gotify", "fields": {"host": "h", "schema": "json"}, "secrets": {"token": "t"}},
            "fields.schema",
            "must be one of gotifys, gotify",
        ),
        (
            {"url": "gotify://h/t", "service": "zulip"},
            "service",
            "does not match the url, which is of gotify; leave it out",
        ),
        (
            {"url": "gotify://h/t", "fields": {"host": "h"}},
            "fields",
            "must be empty if there is a url, as must secrets; the url has them all",
        ),
    ],
)
def test_invalid_fields_are_named(config: dict[str, Any], field: str, message: str) -> None:
    assert (field, message) in faults(**config)


def test_an_invalid_address_lists_the_valid_forms() -> None:
    ((field, message),) = faults(service="matrix", fields={"user": "ann"})
    assert field == "fields"
    assert "{schema}://{user}:{password}@{host}/{targets}" in message


@pytest.mark.parametrize(
    "scheme",
    ["http", "https", "file", "gopher", "ftp", "dict", "jar", "ldap", "sftp", "mailto", "syslog", "dbus", "javascript"],
)
def test_an_address_of_no_service_is_refused(scheme: str) -> None:
    assert faults(url=f"{scheme}://example.org/x") == [
        ("url", f"begins with {scheme}://, which is of no service in the catalogue")
    ]


def test_a_scheme_may_be_written_in_capitals() -> None:
    assert faults(url="Gotify://h/t") == []
