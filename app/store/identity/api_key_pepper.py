"""The pepper: what keyed hashes of API keys hang on. Made once, kept sealed; changing API_SECRET_KEY leaves it alone.

Hashes can't be made anew from what is stored, so their key must not be one that is ever rotated.
"""

import secrets
from typing import Any

from msgspec import Struct

from app import db
from app.security.secrets import sealing

PEPPER_BYTES = 32  # as many as SHA-256 gives back
PEPPER_NAME = "api-keys"


class _PepperCache(Struct):
    """What was read, and from which database."""

    engine: Any = None
    pepper: bytes = b""


_cache = _PepperCache()


async def get() -> bytes:
    """The pepper of API keys; one query per process."""
    if _cache.engine is not db.engine():
        _cache.pepper = await _get_or_create()
        _cache.engine = db.engine()
    return _cache.pepper


async def _get_or_create() -> bytes:
    """What is stored; whoever comes first makes it."""
    async with db.transaction():
        await db.rows(
            "INSERT INTO peppers (name, secret) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING",
            PEPPER_NAME,
            sealing.encrypt(secrets.token_hex(PEPPER_BYTES)),
        )
        (row,) = await db.rows("SELECT secret FROM peppers WHERE name = ?1", PEPPER_NAME)
    return bytes.fromhex(sealing.decrypt(row["secret"]))
