"""The links of the audit log's chain: pure, and keyed, so that whoever has only the database can't make one."""

import hmac
import secrets
from collections.abc import Sequence
from hashlib import sha256

import msgspec

from app.security.secrets import sealing

FIRST_HASH = ""  # what the first entry follows


def generate_key() -> str:
    """A key for a new chain, sealed: it stays the same when the installation's secret is changed."""
    return sealing.encrypt(secrets.token_hex(32))


def decrypt_key(encrypted_key: str) -> bytes:
    """The chain's key; raises Unopenable."""
    return bytes.fromhex(sealing.decrypt(encrypted_key))


def entry_hash(key: bytes, previous: str, content: Sequence[str | int]) -> str:
    """The hash of an entry that follows `previous`."""
    return _mac(key, previous.encode() + b"\n" + msgspec.json.encode(content))


def checkpoint_mac(key: bytes, name: str, seq: int, hash_: str) -> str:
    """What proves a mark of ours: that the chain begins, or ends, exactly there."""
    return _mac(key, msgspec.json.encode([name, seq, hash_]))


def _mac(key: bytes, text: bytes) -> str:
    return hmac.new(key, text, sha256).hexdigest()
