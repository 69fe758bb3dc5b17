"""WebAuthn challenges: the newest one per user and purpose, valid for five minutes and one attempt."""

import secrets
from typing import Literal

from app import clock
from app.errors import Unauthorized
from app.store.tables.mfa import WebauthnChallengeRow

TTL_MS = 300_000
Purpose = Literal["register", "sign-in"]
NO_CHALLENGE = "There is no passkey challenge, or it has expired. Start again."


async def issue(user_id: str, purpose: Purpose) -> bytes:
    """Create a challenge; it replaces the earlier one of this user and purpose."""
    challenge = secrets.token_bytes(32)
    row = WebauthnChallengeRow(
        user_id=user_id, purpose=purpose, challenge=challenge.hex(), expires_ms=clock.now_ms() + TTL_MS
    )
    key = (WebauthnChallengeRow.user_id, WebauthnChallengeRow.purpose)
    changed = [WebauthnChallengeRow.challenge, WebauthnChallengeRow.expires_ms]
    await WebauthnChallengeRow.insert(row).on_conflict(key, "DO UPDATE", changed)
    return challenge


async def consume(user_id: str, purpose: Purpose) -> bytes:
    """Return the open challenge and delete it, whether or not the response is right. Raises Unauthorized."""
    is_challenge = (WebauthnChallengeRow.user_id == user_id) & (WebauthnChallengeRow.purpose == purpose)
    delete = WebauthnChallengeRow.delete().where(is_challenge)
    found = await delete.returning(WebauthnChallengeRow.challenge, WebauthnChallengeRow.expires_ms)
    if not found or found[0]["expires_ms"] < clock.now_ms():
        raise Unauthorized(NO_CHALLENGE)
    return bytes.fromhex(found[0]["challenge"])
