"""WebAuthn challenges: the newest one per user and purpose, valid for five minutes and one attempt."""

import secrets
from typing import Literal

from app import clock, db
from app.errors import Unauthorized

TTL_MS = 300_000
Purpose = Literal["register", "sign-in"]
NO_CHALLENGE = "There is no passkey challenge, or it has expired. Start again."

_UPSERT = """
INSERT INTO webauthn_challenges (user_id, purpose, challenge, expires_ms) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (user_id, purpose) DO UPDATE SET challenge = excluded.challenge, expires_ms = excluded.expires_ms
"""


async def issue(user_id: str, purpose: Purpose) -> bytes:
    """Create a challenge; it replaces the earlier one of this user and purpose."""
    challenge = secrets.token_bytes(32)
    await db.rows(_UPSERT, user_id, purpose, challenge.hex(), clock.now_ms() + TTL_MS)
    return challenge


async def consume(user_id: str, purpose: Purpose) -> bytes:
    """Return the open challenge and delete it, whether or not the response is right. Raises Unauthorized."""
    found = await db.rows(
        "DELETE FROM webauthn_challenges WHERE user_id = ?1 AND purpose = ?2 RETURNING challenge, expires_ms",
        user_id,
        purpose,
    )
    if not found or found[0]["expires_ms"] < clock.now_ms():
        raise Unauthorized(NO_CHALLENGE)
    return bytes.fromhex(found[0]["challenge"])
