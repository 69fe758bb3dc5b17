"""The pepper: what keyed hashes of API keys hang on. Made once, kept sealed; changing API_SECRET_KEY leaves it alone.

Hashes can't be made anew from what is stored, so their key must not be one that is ever rotated.
"""

import secrets
from typing import Any

from msgspec import Struct

from app import db
from app.security.secrets import sealing

BYTES = 32  # as many as SHA-256 gives back
NAME = "api-keys"


class _Seen(Struct):
    """What was read, and from which database."""

    engine: Any = None
    pepper: bytes = b""


_seen = _Seen()


async def read() -> bytes:
    """The pepper of API keys; one query per process."""
    if _seen.engine is not db.engine():
        _seen.pepper = await _kept()
        _seen.engine = db.engine()
    return _seen.pepper


async def _kept() -> bytes:
    """What is stored; whoever comes first makes it."""
    async with db.writing():
        await db.rows(
            "INSERT INTO peppers (name, secret) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING",
            NAME,
            sealing.shut(secrets.token_hex(BYTES)),
        )
        (row,) = await db.rows("SELECT secret FROM peppers WHERE name = ?1", NAME)
    return bytes.fromhex(sealing.open_(row["secret"]))
