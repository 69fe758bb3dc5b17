"""Where secrets go is known of every config that has any."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from app.domain.monitoring import secret_destinations
from app.errors import Invalid
from app.security.secrets import sealing
from schema.channels import PROVIDERS, Apprise, Slack, Smtp, Telegram
from schema.proxies import ProxyDraft
from schema.targets import TARGETS, DnsTransport, Http, Push, Ssh, Website, WebSocket
from schema.targets.http import OAuth2
from tests import make
from tests.planted import places, planted

ADDRESS_WORDS = (
    *("tls", "ssl", "ca", "fingerprint"),  # who vouches for it
    "url",
    "host",
    "port",
    "server",
    "daemon",
    "node",
    "broker",
    "protocol",
    "proxy",
    "address",
    "connection",
)
NO_PLACES = {
    *("auth_protocol", "priv_protocol", "subprotocol", "virtual_host"),  # ciphers, and what a server is asked for
    *("tls_cert", "tls_key"),  # who we are
}


def with_secrets() -> list[type[Struct]]:
    kinds = [*TARGETS.values(), *PROVIDERS.values(), OAuth2, ProxyDraft]
    kinds.remove(Push)  # its token is sent to us only
    return [kind for kind in kinds if any(sealing.is_secret(one.type) for one in msgspec.structs.fields(kind))]


def _has(name: str, word: str) -> bool:
    return word in name.split("_") if len(word) < 4 else word in name


@pytest.mark.parametrize("kind", with_secrets(), ids=lambda one: one.__name__)
def test_every_field_that_sounds_like_a_place_counts(kind: type[Struct]) -> None:
    sounding = {name for name in kind.__struct_fields__ if any(_has(name, word) for word in ADDRESS_WORDS)}
    counted = (
        secret_destinations.URL_FIELDS
        | secret_destinations.DESTINATION_FIELDS
        | secret_destinations.VERIFICATION_OFF.keys()
        | secret_destinations.PIN_FIELDS
    )
    assert sounding - NO_PLACES <= counted
    assert sounding


def test_a_url_destination_is_its_scheme_host_and_port() -> None:
    assert secret_destinations.destination_fields(
        Http(url="https://Example.org/a?b")
    ) == secret_destinations.destination_fields(Http(url="https://example.org"))
    assert secret_destinations.destination_fields(
        Http(url="https://example.org/")
    ) != secret_destinations.destination_fields(Http(url="http://example.org/"))
    assert secret_destinations.destination_fields(
        Http(url="https://example.org/")
    ) != secret_destinations.destination_fields(Http(url="https://example.org:444/"))


def test_places_are_found_inside_of_what_is_inside() -> None:
    auth = OAuth2(token_url="https://id.example.org/token", client_id="c", client_secret="s")
    assert (
        secret_destinations.destination_fields(Http(url="http://a.example/", auth=auth))["auth.token_url"]
        == "https://id.example.org"
    )
    assert secret_destinations.destination_fields(Telegram(bot_token="1:a", chat_id="1")) == {
        "server_url": "https://api.telegram.org",
        "proxy_id": "",
    }


OTHERS: dict[str, Any] = {  # somebody else's, by name of the field
    "port": 1,
    "resolver_port": 1,
    "nodes": ["https://evil.example:1"],
    "brokers": ["evil.example:1"],
    "resolve_mx": True,
    "ignore_tls_errors": True,
    "verify_ssl": False,
    "verify_hostname": False,
    "check_chain": False,
    "tls": "another",  # a switch or a word, by type
    "fields": {"host": "evil.example"},
    "daemon": "tcp://evil.example:1",
}
BESIDE: dict[str, dict[str, Any]] = {  # what can't stand beside it, and what must
    "connection_string": {"host": ""},
    "resolver_url": {"transport": DnsTransport.HTTPS, "resolver_server": "", "resolvers": []},
}
LAX = {  # what it was before
    "ignore_tls_errors": False,
    "verify_ssl": True,
    "verify_hostname": True,
    "check_chain": True,
    "fingerprint": "SHA256:ours",
}


def moves() -> list[tuple[str, str, str]]:
    """(type, a secret in it, a field that decides where that goes): every combination there is."""
    deciding = (
        secret_destinations.URL_FIELDS
        | secret_destinations.DESTINATION_FIELDS
        | secret_destinations.VERIFICATION_OFF.keys()
        | secret_destinations.PIN_FIELDS
    )
    found = []
    for name, path in places():
        kind = (TARGETS | PROVIDERS)[name]
        own = secret_destinations.FIELDS_BY_TYPE.get(name, frozenset())
        fields = [one for one in kind.__struct_fields__ if one in deciding | own and one != path]
        found += [(name, path, field) for field in fields if name != "push"]
    return [one for one in found if one[1:] != ("connection_string", "host")]  # one of them at a time


def test_every_type_with_secrets_has_something_that_decides_where_they_go() -> None:
    alone = {name for name, _ in places()} - {name for name, _, _ in moves()}
    assert {*alone} <= {"push", *(name for name in PROVIDERS if "webhook_url" in PROVIDERS[name].__struct_fields__)}
    assert len(moves()) > 150


@pytest.mark.parametrize(("name", "path", "field"), moves(), ids=lambda one: one)
def test_a_secret_that_is_kept_goes_nowhere_else(name: str, path: str, field: str, tmp_path: Path) -> None:
    one = planted(name, path, tmp_path)
    plain = msgspec.convert({**one.config, "type": name}, (TARGETS | PROVIDERS)[name])
    old = msgspec.structs.replace(plain, **{field: LAX[field]}) if field in LAX else plain
    moved = {field: OTHERS.get(field, "https://evil.example:1/"), **BESIDE.get(field, {})}
    new = msgspec.structs.replace(sealing.mask_secrets(old), **moved)
    with pytest.raises(Invalid) as raised:
        sealing.merge_masked(new, old)
    assert all("must be sent again" in fault.message for fault in raised.value.fields)
    assert all(field in fault.message for fault in raised.value.fields)


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        ({"ignore_tls_errors": True}, {"ignore_tls_errors": False}, []),
        ({}, {"ignore_tls_errors": True}, ["ignore_tls_errors"]),
        ({"tls_ca": "ours"}, {"tls_ca": "another"}, ["tls_ca"]),
        ({}, {"keyword": "well", "max_redirects": 0}, []),
    ],
)
def test_to_look_more_closely_moves_nothing(before: dict[str, Any], after: dict[str, Any], moved: list[str]) -> None:
    assert secret_destinations.changed_destinations(make.http(**before | after), make.http(**before)) == moved


def test_a_pin_may_be_added_and_neither_taken_away_nor_changed() -> None:
    free, ours, another = (Ssh(host="h", fingerprint=one) for one in ("", "SHA256:ours", "SHA256:another"))
    assert secret_destinations.changed_destinations(ours, free) == []
    assert (
        secret_destinations.changed_destinations(free, ours)
        == secret_destinations.changed_destinations(another, ours)
        == ["fingerprint"]
    )


def smtp(security: str, **changes: Any) -> Smtp:
    return Smtp(host="a.example", security=security, sender="a@a.example", to=["b@a.example"], **changes)


def oauth(token_url: str) -> OAuth2:
    return OAuth2(token_url=token_url, client_id="c", client_secret="s")


@pytest.mark.parametrize(
    ("target", "is_readable"),
    [
        (make.http(url="http://a.example/"), True),
        (make.http(url="HTTPS://a.example/"), False),
        (make.http(url="https://a.example/", ignore_tls_errors=True), True),
        (
            make.http(url="https://a.example/", auth=oauth("http://b.example/")),
            True,
        ),
        (
            make.http(url="https://a.example/", auth=oauth("https://b.example/")),
            False,
        ),
        (Website(url="https://a.example/", verify_ssl=False), True),
        (Website(url="https://a.example/"), False),
        (WebSocket(url="ws://a.example/"), True),
        (WebSocket(url="wss://a.example/"), False),
        (Slack(webhook_url="https://a.example/s3cr3t"), False),
        (Slack(webhook_url="http://a.example/s3cr3t"), True),
        (make.webhook(url="http://a.example/"), True),
        (make.webhook(url="https://a.example/"), False),
        (smtp("none"), True),
        (smtp("starttls"), False),
        (smtp("tls"), False),
        (smtp("tls", ignore_tls_errors=True), True),
        (Apprise(url="zulip://a.example/"), True),
    ],
)
def test_unencrypted_secrets_are_readable_on_the_way(target: Struct, is_readable: bool) -> None:  # noqa: FBT001  # a row of the table
    assert secret_destinations.is_readable_by_proxy(target) is is_readable
