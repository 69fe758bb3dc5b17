"""The pepper of API key hashes: created once, stored encrypted; a new API_SECRET_KEY does not change it.

Hashes can't be recomputed from what is stored, so their key must never rotate.
"""

import secrets
from typing import Any

from msgspec import Struct

from app import db
from app.security.secrets import sealing
from app.store.tables.api_keys import KeyPepperRow

PEPPER_BYTES = 32  # as many as SHA-256 gives back
PEPPER_NAME = "api-keys"


class _PepperCache(Struct):
    """The pepper that was read, and from which database."""

    engine: Any = None
    pepper: bytes = b""


_cache = _PepperCache()


async def get() -> bytes:
    """The pepper, with one query per process."""
    if _cache.engine is not db.engine():
        _cache.pepper = await _get_or_create()
        _cache.engine = db.engine()
    return _cache.pepper


async def _get_or_create() -> bytes:
    """The stored pepper; the first process creates it."""
    async with db.transaction():
        first = KeyPepperRow(name=PEPPER_NAME, secret=sealing.encrypt(secrets.token_hex(PEPPER_BYTES)))
        await KeyPepperRow.insert(first).on_conflict(target=KeyPepperRow.name, action="DO NOTHING")
        (row,) = await KeyPepperRow.select(KeyPepperRow.secret).where(KeyPepperRow.name == PEPPER_NAME)
    return bytes.fromhex(sealing.decrypt(row["secret"]))
