"""Where secrets go is known of every config that has any."""

import msgspec
import pytest
from msgspec import Struct

from app.domain import whereabouts
from app.security import sealing
from schema.channels import PROVIDERS, Telegram
from schema.proxies import ProxyDraft
from schema.targets import TARGETS, Http, Push
from schema.targets.http import OAuth2

ADDRESS_WORDS = (
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
NO_PLACES = {"auth_protocol", "priv_protocol", "subprotocol", "virtual_host"}  # ciphers, and what a server is asked for


def with_secrets() -> list[type[Struct]]:
    kinds = [*TARGETS.values(), *PROVIDERS.values(), OAuth2, ProxyDraft]
    kinds.remove(Push)  # its token is sent to us, and to nobody else
    return [kind for kind in kinds if any(sealing.is_secret(one.type) for one in msgspec.structs.fields(kind))]


@pytest.mark.parametrize("kind", with_secrets(), ids=lambda one: one.__name__)
def test_every_field_that_sounds_like_a_place_counts(kind: type[Struct]) -> None:
    sounding = {name for name in kind.__struct_fields__ if any(word in name for word in ADDRESS_WORDS)}
    assert sounding - NO_PLACES <= whereabouts.ADDRESSES | whereabouts.PLACES
    assert sounding


def test_of_an_address_only_what_stands_before_the_path_counts() -> None:
    assert whereabouts.of(Http(url="https://Example.org/a?b")) == whereabouts.of(Http(url="https://example.org"))
    assert whereabouts.of(Http(url="https://example.org/")) != whereabouts.of(Http(url="http://example.org/"))
    assert whereabouts.of(Http(url="https://example.org/")) != whereabouts.of(Http(url="https://example.org:444/"))


def test_places_are_found_inside_of_what_is_inside() -> None:
    auth = OAuth2(token_url="https://id.example.org/token", client_id="c", client_secret="s")
    assert whereabouts.of(Http(url="http://a.example/", auth=auth))["auth.token_url"] == "https://id.example.org"
    assert whereabouts.of(Telegram(bot_token="1:a", chat_id="1")) == {"server_url": "https://api.telegram.org"}
