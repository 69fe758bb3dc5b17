"""The keyed hashes of the audit log's chain, which can't be forged with the database alone. Pure."""

import hmac
import secrets
from collections.abc import Sequence
from hashlib import sha256

import msgspec

from app.security.secrets import sealing

FIRST_HASH = ""  # the previous hash of the first entry


def generate_key() -> str:
    """An encrypted key for a new chain. It survives a change of the installation's secret."""
    return sealing.encrypt(secrets.token_hex(32))


def decrypt_key(encrypted_key: str) -> bytes:
    """The chain's key. Raises DecryptionFailed."""
    return bytes.fromhex(sealing.decrypt(encrypted_key))


def entry_hash(key: bytes, previous: str, content: Sequence[str | int]) -> str:
    """The hash of an entry that follows `previous`."""
    return _mac(key, previous.encode() + b"\n" + msgspec.json.encode(content))


def checkpoint_mac(key: bytes, name: str, seq: int, hash_: str) -> str:
    """The MAC of a checkpoint, which proves that the chain begins or ends exactly there."""
    return _mac(key, msgspec.json.encode([name, seq, hash_]))


def _mac(key: bytes, text: bytes) -> str:
    return hmac.new(key, text, sha256).hexdigest()
