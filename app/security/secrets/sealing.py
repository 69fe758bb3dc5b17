"""Encrypts, decrypts and masks secrets of structs, with keys derived from the installation's secret.

A field is secret if its type has `Meta(extra={"secret": True})`, at any depth: nested structs, lists, dict values,
unions. An encrypted value is `sealed:v2:`, the key's id, `:` and base64url(nonce + AES-256-GCM ciphertext).
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
V1_PREFIX = "sealed:v1:"  # of values without a key id
ENCRYPTED_VALUE = re.compile(r"sealed:(?:v1|v2:[0-9a-f]{8}):[A-Za-z0-9_-]{20,}={0,2}")
NONCE_BYTES = 12  # as specified for AES-GCM (NIST SP 800-38D, 8.2)

S = TypeVar("S", bound=Struct)
MapSecret = Callable[[str, str], str]

_secrets: tuple[str, ...] = ()


class DecryptionFailed(Exception):  # noqa: N818  # names the fact
    """A stored secret can't be decrypted: API_SECRET_KEY differs from the one it was encrypted with."""


def prepare(settings: Settings) -> None:
    """Set the installation's current and previous secret. Call this before anything else here."""
    global _secrets  # noqa: PLW0603  # one set of secrets per process, as with the database's engine
    _secrets = tuple(filter(None, (settings.api_secret_key, settings.api_secret_key_previous)))


def derive_key(purpose: str) -> bytes:
    """A 32-byte key for one purpose: HKDF-SHA256 (RFC 5869) of the installation's secret."""
    return derive_keys(purpose)[0]


def derive_keys(purpose: str) -> tuple[bytes, ...]:
    """The same, followed by the key of the previous secret if it is set, to verify what that one signed."""
    if not _secrets:
        raise RuntimeError("sealing.prepare(settings) was not called")
    return tuple(_derive(secret, purpose) for secret in _secrets)


@lru_cache(maxsize=256)
def _derive(secret: str, purpose: str) -> bytes:
    return HKDF(SHA256(), 32, salt=b"watchkeeper", info=purpose.encode()).derive(secret.encode())


@lru_cache(maxsize=8)
def _cipher(key: bytes) -> AESGCM:
    return AESGCM(key)


def _key_ids() -> tuple[str, ...]:
    """The ids of the known keys in encrypted values; the current one first."""
    return tuple(key.hex()[:8] for key in derive_keys("key id"))


def encrypt(text: str) -> str:
    """Encrypt one secret. Empty and already encrypted texts are returned unchanged."""
    if not text or is_encrypted(text):
        return text
    nonce = os.urandom(NONCE_BYTES)
    raw = nonce + _cipher(derive_key("seal")).encrypt(nonce, text.encode(), None)
    return f"{PREFIX}{_key_ids()[0]}:{urlsafe_b64encode(raw).decode()}"


def is_encrypted(text: str) -> bool:
    """Whether this is an encrypted value."""
    return text.startswith((PREFIX, V1_PREFIX))


def decrypt(text: str) -> str:
    """Decrypt one secret. Raises DecryptionFailed."""
    if not is_encrypted(text):
        return text
    raw = urlsafe_b64decode(text.rpartition(":")[2])
    for key in _candidate_keys(text):
        try:
            return _cipher(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], None).decode()
        except InvalidTag:
            continue
    raise DecryptionFailed("A stored secret can't be decrypted. Was API_SECRET_KEY changed?")


def _candidate_keys(text: str) -> Iterator[bytes]:
    """The keys to try: the one named by the value, or all if it names none."""
    named_id = text.split(":")[2] if text.startswith(PREFIX) else ""
    for key_id, key in zip(_key_ids(), derive_keys("seal"), strict=True):
        if named_id in ("", key_id):
            yield key


def reencrypt(text: str) -> str:
    """A column's text with all encrypted values under the current key. Values that no known key decrypts stay."""

    def replacement(match: re.Match[str]) -> str:
        value = match.group()
        with suppress(DecryptionFailed, ValueError):
            return value if is_current_key(value) else encrypt(decrypt(value))
        return value

    return ENCRYPTED_VALUE.sub(replacement, text)


def is_current_key(text: str) -> bool:
    """Whether all encrypted values in a column's text are under the current key."""
    return all(value.startswith(f"{PREFIX}{_key_ids()[0]}:") for value in ENCRYPTED_VALUE.findall(text))


def encrypt_secrets(struct: Struct) -> str:
    """The struct as JSON text with its secrets encrypted."""
    return msgspec.json.encode(_map_secrets(struct, type(struct), lambda _, text: encrypt(text))).decode()


def decrypt_secrets(text: str, type_: Any) -> Any:
    """The struct that `encrypt_secrets` wrote, decrypted. `type_` is the struct or a tagged union of structs."""
    return msgspec.convert(_map_secrets(msgspec.json.decode(text), type_, lambda _, value: decrypt(value)), type_)


def mask_secrets(struct: S) -> S:
    """A copy in which every non-empty secret reads `********`."""
    return cast(S, _map_secrets(struct, type(struct), lambda _, text: MASK if text else ""))


def merge_masked(new: S, old: Struct) -> S:
    """A copy of `new` in which each masked secret is replaced by that of `old`.

    raises    Invalid if there is no stored secret, or if the stored secret would be sent to a changed destination
    """
    stored = secrets_of(old)
    errors: list[FieldError] = []
    masked: list[str] = []

    def restore(path: str, text: str) -> str:
        if text != MASK:
            return text
        masked.append(path)
        if not stored.get(path):
            errors.append(FieldError(path, "must be sent, because there is no stored value to keep"))
        return stored.get(path, "")

    merged = _map_secrets(new, type(new), restore)
    if masked and not errors:
        errors = _destination_errors(masked, secret_destinations.changed_destinations(merged, old))
    if errors:
        raise Invalid(errors)
    return cast(S, merged)


def _destination_errors(paths: list[str], changed: list[str]) -> list[FieldError]:
    """An error for each restored secret, if any destination of the config changed."""
    message = f"must be sent again, because {', '.join(changed)} changed and the stored secret was for the old value"
    return [FieldError(path, message) for path in paths] if changed else []


def secrets_of(struct: Struct) -> dict[str, str]:
    """All secrets in the struct, by dotted path."""
    found: dict[str, str] = {}

    def collect(path: str, text: str) -> str:
        found[path] = text
        return text

    _map_secrets(struct, type(struct), collect)
    return found


@cache
def is_secret(type_: Any) -> bool:
    """Whether a field of this type is a secret or contains one."""
    members, secret = _type_members(type_)
    structs = [member for member in members if isinstance(member, type) and issubclass(member, Struct)]
    inner = [get_args(member)[-1] for member in members if get_origin(member) in (list, dict)]
    return secret or any(map(is_secret, inner)) or any(is_secret(f.type) for struct in structs for f in _fields(struct))


def _map_secrets(value: Any, type_: Any, change: MapSecret, path: str = "") -> Any:
    """A copy of a struct, or of its JSON form, with each secret replaced by `change(path, text)`. Does not validate."""
    members, secret = _type_members(type_)
    if isinstance(value, str):
        return change(path, value) if secret else value
    if isinstance(value, list):
        item_type = next((get_args(member)[0] for member in members if get_origin(member) is list), Any)
        return [_map_secrets(item, item_type, change, _join_path(path, index)) for index, item in enumerate(value)]
    if isinstance(value, dict):
        type_of = _value_types(members, value)
        return {key: _map_secrets(item, type_of(key), change, _join_path(path, key)) for key, item in value.items()}
    return _map_struct(value, change, path) if isinstance(value, Struct) else value


def _map_struct(struct: Struct, change: MapSecret, path: str) -> Struct:
    mapped = copy(struct)
    for field in _secret_fields(type(struct)):
        value = _map_secrets(getattr(struct, field.name), field.type, change, _join_path(path, field.encode_name))
        force_setattr(mapped, field.name, value)
    return mapped


def _join_path(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


@cache
def _fields(struct: type[Struct]) -> tuple[FieldInfo, ...]:
    """A struct's fields, cached: reading its annotations takes longer than the rest of a decryption."""
    return fields(struct)


@cache
def _secret_fields(struct: type[Struct]) -> tuple[FieldInfo, ...]:
    """The fields that are secret or contain secrets; most configs have one or two."""
    return tuple(field for field in _fields(struct) if is_secret(field.type))


@cache
def _type_members(type_: Any) -> tuple[tuple[Any, ...], bool]:
    """The types a value may have, without `Annotated`, and whether any of them is secret."""
    if get_origin(type_) is Annotated:
        inner, *metadata = get_args(type_)
        members, secret = _type_members(inner)
        metas = [meta for meta in metadata if isinstance(meta, Meta)]
        return members, secret or any(bool((meta.extra or {}).get("secret")) for meta in metas)
    if get_origin(type_) in (Union, UnionType):
        options = [_type_members(option) for option in get_args(type_)]
        return tuple(member for members, _ in options for member in members), any(secret for _, secret in options)
    return (type_,), False


def _value_types(members: tuple[Any, ...], value: dict[str, Any]) -> Callable[[str], Any]:
    """The type of the value under each key of a JSON object: a struct's field, or a dict's values."""
    structs = [member for member in members if isinstance(member, type) and issubclass(member, Struct)]
    if structs:
        chosen = next((struct for struct in structs if _is_tagged(struct, value)), structs[0])
        types = {field.encode_name: field.type for field in _fields(chosen)}
        return lambda key: types.get(key, Any)
    value_type = next((get_args(member)[1] for member in members if get_origin(member) is dict), Any)
    return lambda _: value_type


def _is_tagged(struct: type[Struct], value: dict[str, Any]) -> bool:
    config = struct.__struct_config__
    return config.tag_field is not None and value.get(config.tag_field) == config.tag
