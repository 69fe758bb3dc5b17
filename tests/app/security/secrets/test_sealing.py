"""Secrets are shut wherever they stand, and a mask means: keep."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st
from msgspec import Struct

from app.errors import Invalid
from app.security.secrets import sealing
from app.settings import Settings
from schema.channels import PROVIDERS, ChannelConfig, Ntfy, Pushover, Slack, Smtp, Telegram, Webhook, Whatsapp
from schema.field_types import MASK
from schema.targets import Http, HttpBasicAuth, HttpBearerAuth, Target

URL = "https://example.org/hook"
FULL: list[Struct] = [
    Http(url=URL, headers={"X-Key": "s3cret-1"}, auth=HttpBasicAuth(username="ada", password="s3cret-2")),
    Http(url=URL, auth=HttpBearerAuth(token="s3cret-3")),
    Webhook(url=URL, secret="s3cret-4", headers={"Authorization": "s3cret-5"}),
    Smtp(host="mail", sender="a@b.org", to=["c@d.org"], username="ada", password="s3cret-6"),
    Slack(webhook_url="https://example.org/s3cret-7"),
    Telegram(bot_token="s3cret-8", chat_id="1"),
    Ntfy(topic="x", password="s3cret-9", token="s3cret-10"),
    Pushover(user_key="s3cret-11", app_token="s3cret-12"),
    Whatsapp(server_url=URL, chat_id="1@c.us", api_key="s3cret-13"),
]


@pytest.mark.parametrize("struct", FULL, ids=lambda one: type(one).__name__)
def test_secrets_are_encrypted_and_decrypt_to_the_same_values(struct: Struct) -> None:
    text = sealing.encrypt_secrets(struct)
    assert "s3cret" not in text
    assert sealing.decrypt_secrets(text, type(struct)) == struct


@pytest.mark.parametrize("struct", FULL, ids=lambda one: type(one).__name__)
def test_a_masked_struct_keeps_its_type(struct: Struct) -> None:
    masked = sealing.mask_secrets(struct)
    assert type(masked) is type(struct)
    text = msgspec.json.encode(masked).decode()
    assert "s3cret" not in text
    assert MASK in text


@pytest.mark.parametrize("struct", FULL, ids=lambda one: type(one).__name__)
def test_the_mask_sent_back_keeps_what_is_stored(struct: Struct) -> None:
    assert sealing.merge_masked(sealing.mask_secrets(struct), struct) == struct


def test_a_sealed_config_opens_as_a_member_of_its_union() -> None:
    assert sealing.decrypt_secrets(sealing.encrypt_secrets(FULL[0]), Target) == FULL[0]
    assert sealing.decrypt_secrets(sealing.encrypt_secrets(FULL[3]), ChannelConfig) == FULL[3]


def test_an_empty_secret_stays_empty_everywhere() -> None:
    hook = Webhook(url=URL)
    assert "sealed" not in sealing.encrypt_secrets(hook)
    assert sealing.mask_secrets(hook) == hook


def test_a_mask_for_nothing_is_refused_by_name() -> None:
    with pytest.raises(Invalid) as raised:
        sealing.merge_masked(Webhook(url=URL, secret=MASK, headers={"X": MASK, "Y": "new"}), Webhook(url=URL))
    assert [one.field for one in raised.value.fields] == ["secret", "headers.X"]


def test_another_way_to_sign_in_does_not_inherit_the_secret_of_the_old_one() -> None:
    old = Http(url=URL, auth=HttpBasicAuth(username="ada", password="s3cret"))
    with pytest.raises(Invalid):
        sealing.merge_masked(Http(url=URL, auth=HttpBearerAuth(token=MASK)), old)


def test_a_new_secret_takes_the_old_ones_place() -> None:
    old, new = Webhook(url=URL, secret="old"), Webhook(url=URL, secret="new")
    assert sealing.merge_masked(new, old) == new


def test_the_same_secret_is_never_sealed_alike() -> None:
    assert sealing.encrypt("again") != sealing.encrypt("again")


def test_with_another_key_nothing_opens(keys: Settings) -> None:
    text = sealing.encrypt("s3cret")
    sealing.prepare(replace(keys, api_secret_key="another key, long enough"))
    with pytest.raises(sealing.DecryptionFailed):
        sealing.decrypt(text)


def test_a_changed_byte_is_noticed() -> None:
    text = sealing.encrypt("s3cret")
    broken = text[:-6] + ("A" if text[-6] != "A" else "B") + text[-5:]
    with pytest.raises(sealing.DecryptionFailed):
        sealing.decrypt(broken)


@given(st.text(max_size=200).filter(lambda text: not text.startswith(sealing.PREFIX)))
def test_any_text_comes_back(text: str) -> None:
    sealing.prepare(_Key())  # type: ignore[arg-type]  # the one setting it reads
    assert sealing.decrypt(sealing.encrypt(text)) == text


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=lambda one: one.__name__)
def test_every_field_that_sounds_like_a_secret_is_one(provider: type[Struct]) -> None:
    suspicious = {one.name for one in msgspec.structs.fields(provider) if _sounds_secret(one.name)}
    assert suspicious <= {one.name for one in msgspec.structs.fields(provider) if sealing.is_secret(one.type)}


def _sounds_secret(name: str) -> bool:
    secret_words = ("password", "token", "secret", "webhook_url", "key")
    return any(word in name for word in secret_words) and not name.endswith("_sid")  # a name that goes with a key


class _Key:
    api_secret_key: Any = "a key for tests, long enough"
    api_secret_key_previous: Any = ""
