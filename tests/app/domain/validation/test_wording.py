"""An error states what a value must be, and repeats nothing of a secret."""

import importlib
import pkgutil
from typing import Annotated, Any, get_args

import msgspec
import pytest
from msgspec import Meta, Struct

import schema
from app.domain.validation import structs, wording
from app.security.secrets import sealing
from schema.channels import PROVIDERS
from schema.channels.fields import Key

SIGNS = "§é\u2028\x01 \t/"  # in no description, and each outside of some pattern
TEXTS = ["https://a.example/" + SIGNS, *(sign * length for sign in SIGNS for length in (1, 22, 43, 64))]


def every_struct() -> list[type[Struct]]:
    """All structs of the package `schema`, those of drafts included."""
    modules = [importlib.import_module(one.name) for one in pkgutil.walk_packages(schema.__path__, "schema.")]
    named = [one for module in modules for one in vars(module).values()]
    found = [*named, *(draft for one in named if isinstance(one, dict) for draft in one.values())]
    return sorted({one for one in found if isinstance(one, type) and issubclass(one, Struct)}, key=str)


def secret_leaves(type_: Any) -> list[Any]:
    """The types of the texts in a field that are secret."""
    bare = get_args(type_)[0] if hasattr(type_, "__metadata__") else type_
    if bare is str:
        return [type_] if sealing.is_secret(type_) else []
    return [leaf for part in get_args(bare) for leaf in secret_leaves(part)]


SECRETS = {
    f"{kind.__name__}.{one.name}": (one.type, leaf)
    for kind in every_struct()
    for one in msgspec.structs.fields(kind)
    for leaf in secret_leaves(one.type)
}


def echoed(message: str) -> list[str]:
    """The characters of an invalid value that a message shows."""
    return [sign for sign in SIGNS if repr(sign) in message]


def test_the_secrets_are_found() -> None:
    assert len(SECRETS) > 50
    assert {"Push.token", "Gotify.app_token", "WebhookPatch.secret", "Http.headers", "ProxyDraft.password"} <= {
        *SECRETS
    }


@pytest.mark.parametrize(("field", "leaf"), SECRETS.values(), ids=SECRETS)
def test_error_messages_never_echo_a_secret(field: Any, leaf: Any) -> None:
    for type_ in (field, leaf, Annotated[leaf, Meta(description="Another wording.")], leaf | None):
        messages = {text: wording.error_for(type_, text) for text in TEXTS}
        assert {text: message for text, message in messages.items() if echoed(message)} == {}


def test_a_character_outside_the_pattern_is_quoted() -> None:
    described = Annotated[str, Meta(pattern=r"^[a-z]+$", description="Kept sealed, says somebody.")]
    assert echoed(wording.error_for(described, "a§b")) == ["§"]


def test_a_request_with_an_invalid_key_gets_the_form_of_the_key_alone() -> None:
    config = {"type": "gotify", "server_url": "https://a.example", "app_token": "sesame§"}
    (error,) = structs.errors_in(config, PROVIDERS["gotify"])
    assert (error.field, error.message) == ("app_token", wording.error_for(Key, "sesame§"))
    assert "sesame" not in error.message
