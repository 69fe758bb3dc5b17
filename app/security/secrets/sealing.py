"""Keeps secrets shut: keys derived from the installation's one secret, and structs with their secrets sealed or masked.

A field is secret when its type says `Meta(extra={"secret": True})`, at any depth: nested structs, lists, dict
values, unions. A sealed value is `sealed:v2:`, the key's name, `:` and base64url(nonce + AES-256-GCM ciphertext).
"""

import os
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import copy
from functools import cache, lru_cache
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Meta, Struct
from msgspec.structs import FieldInfo, fields, force_setattr

from app.domain.monitoring import secret_destinations
from app.errors import Invalid
from app.settings import Settings
from schema.errors import FieldError
from schema.field_types import MASK

PREFIX = "sealed:v2:"
V1_PREFIX = "sealed:v1:"  # of values that don't name their key
ENCRYPTED_VALUE = re.compile(r"sealed:(?:v1|v2:[0-9a-f]{8}):[A-Za-z0-9_-]{20,}={0,2}")
NONCE_BYTES = 12  # what AES-GCM is specified for (NIST SP 800-38D, 8.2)

S = TypeVar("S", bound=Struct)
MapSecret = Callable[[str, str], str]

_secrets: tuple[str, ...] = ()


class DecryptionFailed(Exception):  # noqa: N818  # names the fact
    """A stored secret does not open: API_SECRET_KEY is another one than when it was sealed."""


def prepare(settings: Settings) -> None:
    """Take the installation's secret, and the one before it; before anything else here."""
    global _secrets  # noqa: PLW0603  # one ring of keys per process, as with the database's engine
    _secrets = tuple(filter(None, (settings.api_secret_key, settings.api_secret_key_previous)))


def derive_key(purpose: str) -> bytes:
    """A key of 32 bytes for one purpose: HKDF-SHA256 (RFC 5869) of the installation's secret."""
    return derive_keys(purpose)[0]


def derive_keys(purpose: str) -> tuple[bytes, ...]:
    """The same, and after it the one of the secret before, as long as that is known: for what was signed then."""
    if not _secrets:
        raise RuntimeError("sealing.prepare(settings) was not called")
    return tuple(_derive(one, purpose) for one in _secrets)


@lru_cache(maxsize=256)
def _derive(secret: str, purpose: str) -> bytes:
    return HKDF(SHA256(), 32, salt=b"watchkeeper", info=purpose.encode()).derive(secret.encode())


@lru_cache(maxsize=8)
def _cipher(key: bytes) -> AESGCM:
    return AESGCM(key)


def _key_ids() -> tuple[str, ...]:
    """What each known key is called in sealed values; the current one first."""
    return tuple(one.hex()[:8] for one in derive_keys("key id"))


def encrypt(text: str) -> str:
    """Seal one secret. Empty stays empty, and what is sealed is not sealed twice."""
    if not text or is_encrypted(text):
        return text
    nonce = os.urandom(NONCE_BYTES)
    raw = nonce + _cipher(derive_key("seal")).encrypt(nonce, text.encode(), None)
    return f"{PREFIX}{_key_ids()[0]}:{urlsafe_b64encode(raw).decode()}"


def is_encrypted(text: str) -> bool:
    """Whether this is a sealed value."""
    return text.startswith((PREFIX, V1_PREFIX))


def decrypt(text: str) -> str:
    """Open one secret; raises Unopenable."""
    if not is_encrypted(text):
        return text
    raw = urlsafe_b64decode(text.rpartition(":")[2])
    for key in _candidate_keys(text):
        try:
            return _cipher(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], None).decode()
        except InvalidTag:
            continue
    raise DecryptionFailed("A stored secret does not open: was API_SECRET_KEY changed?")


def _candidate_keys(text: str) -> Iterator[bytes]:
    """The keys that may open it: the one that it names, or any where it names none."""
    named = text.split(":")[2] if text.startswith(PREFIX) else ""
    for name, key in zip(_key_ids(), derive_keys("seal"), strict=True):
        if named in ("", name):
            yield key


def reencrypt(text: str) -> str:
    """A column's text with everything in it sealed by the current key; what opens with no known key stays."""

    def again(found: re.Match[str]) -> str:
        with suppress(DecryptionFailed, ValueError):
            return found.group() if is_current_key(found.group()) else encrypt(decrypt(found.group()))
        return found.group()

    return ENCRYPTED_VALUE.sub(again, text)


def is_current_key(text: str) -> bool:
    """Whether everything sealed in a column's text is sealed by the current key."""
    return all(one.startswith(f"{PREFIX}{_key_ids()[0]}:") for one in ENCRYPTED_VALUE.findall(text))


def encrypt_secrets(struct: Struct) -> str:
    """The struct as JSON text, its secrets sealed."""
    return msgspec.json.encode(_map_secrets(struct, type(struct), lambda _, text: encrypt(text))).decode()


def decrypt_secrets(text: str, type_: Any) -> Any:
    """The struct that `seal` wrote, its secrets open. `type_` is the struct or a tagged union of structs."""
    return msgspec.convert(_map_secrets(msgspec.json.decode(text), type_, lambda _, sealed: decrypt(sealed)), type_)


def mask_secrets(struct: S) -> S:
    """A copy to show: every secret that there is reads `********`."""
    return cast(S, _map_secrets(struct, type(struct), lambda _, text: MASK if text else ""))


def merge_masked(new: S, old: Struct) -> S:
    """A copy of `new` in which the mask stands for what `old` has.

    raises    Invalid where there is nothing to keep, or where what is kept would go to another place than before
    """
    before = secrets_of(old)
    lost: list[FieldError] = []
    asked: list[str] = []

    def keep(path: str, text: str) -> str:
        if text != MASK:
            return text
        asked.append(path)
        if not before.get(path):
            lost.append(FieldError(path, "there is no stored value to keep: send the secret itself"))
        return before.get(path, "")

    merged = _map_secrets(new, type(new), keep)
    if asked and not lost:
        lost = _destination_errors(asked, secret_destinations.changed_destinations(merged, old))
    if lost:
        raise Invalid(lost)
    return cast(S, merged)


def _destination_errors(paths: list[str], moved: list[str]) -> list[FieldError]:
    """Kept secrets that would be handed to somebody else than those they were given for."""
    words = f"must be sent again, for {', '.join(moved)} changed: a secret stays with the place it was given for"
    return [FieldError(path, words) for path in paths] if moved else []


def secrets_of(struct: Struct) -> dict[str, str]:
    """Every secret in the struct, by its dotted path."""
    found: dict[str, str] = {}

    def note(path: str, text: str) -> str:
        found[path] = text
        return text

    _map_secrets(struct, type(struct), note)
    return found


@cache
def is_secret(type_: Any) -> bool:
    """Whether a field of this type holds a secret itself, or holds some inside."""
    parts, secret = _type_members(type_)
    structs = [one for one in parts if isinstance(one, type) and issubclass(one, Struct)]
    inner = [get_args(one)[-1] for one in parts if get_origin(one) in (list, dict)]
    return secret or any(map(is_secret, inner)) or any(is_secret(f.type) for one in structs for f in _fields(one))


def _map_secrets(value: Any, type_: Any, change: MapSecret, path: str = "") -> Any:
    """A copy of a struct, or of its JSON form, with `change(path, text)` in place of each secret. Validates nothing."""
    parts, secret = _type_members(type_)
    if isinstance(value, str):
        return change(path, value) if secret else value
    if isinstance(value, list):
        item = next((get_args(one)[0] for one in parts if get_origin(one) is list), Any)
        return [_map_secrets(one, item, change, _join_path(path, no)) for no, one in enumerate(value)]
    if isinstance(value, dict):
        inner = _value_types(parts, value)
        return {key: _map_secrets(one, inner(key), change, _join_path(path, key)) for key, one in value.items()}
    return _map_struct(value, change, path) if isinstance(value, Struct) else value


def _map_struct(struct: Struct, change: MapSecret, path: str) -> Struct:
    remade = copy(struct)
    for one in _secret_fields(type(struct)):
        new = _map_secrets(getattr(struct, one.name), one.type, change, _join_path(path, one.encode_name))
        force_setattr(remade, one.name, new)
    return remade


def _join_path(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


@cache
def _fields(struct: type[Struct]) -> tuple[FieldInfo, ...]:
    """A struct's fields. To read them off its annotations costs more than all the rest of unsealing."""
    return fields(struct)


@cache
def _secret_fields(struct: type[Struct]) -> tuple[FieldInfo, ...]:
    """The fields that are looked into: most configs have one or two."""
    return tuple(one for one in _fields(struct) if is_secret(one.type))


@cache
def _type_members(type_: Any) -> tuple[tuple[Any, ...], bool]:
    """The types a value may have, without `Annotated`, and whether any of them is secret."""
    if get_origin(type_) is Annotated:
        inner, *notes = get_args(type_)
        parts, secret = _type_members(inner)
        return parts, secret or any(isinstance(one, Meta) and bool((one.extra or {}).get("secret")) for one in notes)
    if get_origin(type_) in (Union, UnionType):
        several = [_type_members(one) for one in get_args(type_)]
        return tuple(one for parts, _ in several for one in parts), any(secret for _, secret in several)
    return (type_,), False


def _value_types(parts: tuple[Any, ...], value: dict[str, Any]) -> Callable[[str], Any]:
    """What each key of a JSON object holds: a struct's fields, or a dict's one type of value."""
    structs = [one for one in parts if isinstance(one, type) and issubclass(one, Struct)]
    if structs:
        chosen = next((one for one in structs if _is_tagged(one, value)), structs[0])
        types = {one.encode_name: one.type for one in _fields(chosen)}
        return lambda key: types.get(key, Any)
    inner = next((get_args(one)[1] for one in parts if get_origin(one) is dict), Any)
    return lambda _: inner


def _is_tagged(struct: type[Struct], value: dict[str, Any]) -> bool:
    config = struct.__struct_config__
    return config.tag_field is not None and value.get(config.tag_field) == config.tag
