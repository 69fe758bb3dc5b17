"""Second factors: TOTP secrets, recovery codes, and which factors a user has. Passkeys are in `passkeys`.

Each code is accepted once: of concurrent requests the database picks one.
"""

from msgspec import Struct

from app import clock, db
from app.errors import Conflict
from app.security.credentials import totp
from app.security.secrets import sealing
from app.store.sql import list_parameter
from schema.mfa import TwoFactorStatus

SETUP_MS = 900_000  # how long a secret waits for its first code: it was visible on a screen
ALREADY_ENABLED = "One-time codes are already set up. Disable two-factor authentication first."
_SELECT_STATUS = """
SELECT (SELECT count(*) FROM totp WHERE user_id = ?1 AND active_ms IS NOT NULL) AS totp,
       (SELECT count(*) FROM passkeys WHERE user_id = ?1) AS passkeys,
       (SELECT count(*) FROM recovery_codes WHERE user_id = ?1 AND used_ms IS NULL) AS recovery_codes
"""
_UPSERT_TOTP = """
INSERT INTO totp (user_id, secret, created_ms) VALUES (?1, ?2, ?3)
ON CONFLICT (user_id) DO UPDATE SET secret = excluded.secret, created_ms = excluded.created_ms
WHERE totp.active_ms IS NULL RETURNING user_id
"""
_CONFIRM = """
UPDATE totp SET active_ms = ?3, last_step = ?4 WHERE user_id = ?1 AND secret = ?2 AND active_ms IS NULL
RETURNING user_id
"""
_TAKE_STEP = "UPDATE totp SET last_step = ?2 WHERE user_id = ?1 AND last_step < ?2 RETURNING user_id"
_USE_RECOVERY_CODE = """
UPDATE recovery_codes SET used_ms = ?3 WHERE user_id = ?1 AND code_hash = ?2 AND used_ms IS NULL RETURNING user_id
"""


class CodeMatch(Struct, frozen=True):
    """A valid code of the authenticator app in set-up: its encrypted secret and the code's time step."""

    secret: str
    step: int


async def get_status(user_id: str) -> TwoFactorStatus:
    """Which second factors a user has."""
    row = (await db.rows(_SELECT_STATUS, user_id))[0]
    return TwoFactorStatus(
        enabled=bool(row["totp"] or row["passkeys"]),
        totp=bool(row["totp"]),
        passkeys=row["passkeys"],
        recovery_codes=row["recovery_codes"],
    )


async def begin_setup(user_id: str) -> str:
    """Create a TOTP secret, inactive until it is confirmed. Raises Conflict while another one is active."""
    secret = totp.generate_secret()
    if not await db.rows(_UPSERT_TOTP, user_id, sealing.encrypt(secret), clock.now_ms()):
        raise Conflict(ALREADY_ENABLED)
    return secret


async def match_code(user_id: str, code: str) -> CodeMatch | None:
    """Check a code of the app in set-up; None when it is wrong. Raises Conflict."""
    found = await db.rows("SELECT secret, active_ms, created_ms FROM totp WHERE user_id = ?1", user_id)
    if not found or found[0]["active_ms"] is not None:
        raise Conflict(ALREADY_ENABLED if found else "One-time codes are not being set up. Start with /auth/2fa/setup.")
    now_ms = clock.now_ms()
    if found[0]["created_ms"] < now_ms - SETUP_MS:
        raise Conflict("The set-up was started too long ago. Start again with /auth/2fa/setup.")
    step = totp.step_of(sealing.decrypt(found[0]["secret"]), code, now_ms / 1000)
    return None if step is None else CodeMatch(found[0]["secret"], step)


async def confirm_setup(user_id: str, match: CodeMatch) -> list[str]:
    """Require codes of this app from now on; returns the recovery codes. Raises Conflict."""
    async with db.transaction():
        if not await db.rows(_CONFIRM, user_id, match.secret, clock.now_ms(), match.step):
            raise Conflict("The set-up was started again meanwhile. Use a code of the newest secret.")
        return await replace_recovery_codes(user_id)


async def verify_code(user_id: str, code: str) -> bool:
    """Whether this is an unused code of the user's app, or an unused recovery code."""
    found = await db.rows("SELECT secret, last_step FROM totp WHERE user_id = ?1 AND active_ms IS NOT NULL", user_id)
    for row in found:
        step = totp.step_of(sealing.decrypt(row["secret"]), code, clock.now_ms() / 1000, after=row["last_step"])
        if step is not None:
            return bool(await db.rows(_TAKE_STEP, user_id, step))
    return bool(await db.rows(_USE_RECOVERY_CODE, user_id, totp.recovery_code_hash(user_id, code), clock.now_ms()))


async def replace_recovery_codes(user_id: str) -> list[str]:
    """Replace a user's recovery codes; returns the new ones. Only inside `db.transaction`."""
    codes = totp.generate_recovery_codes()
    await db.rows("DELETE FROM recovery_codes WHERE user_id = ?1", user_id)
    await db.rows(
        "INSERT INTO recovery_codes (user_id, code_hash) SELECT CAST(?1 AS TEXT), value->>0 FROM {each:2}",
        user_id,
        list_parameter(totp.recovery_code_hash(user_id, code) for code in codes),
    )
    return codes


async def renew_recovery_codes(user_id: str) -> list[str]:
    """`replace_recovery_codes` in a transaction of its own."""
    async with db.transaction():
        return await replace_recovery_codes(user_id)


async def disable(user_id: str) -> None:
    """Delete every second factor of a user."""
    async with db.transaction():
        for table in ("totp", "passkeys", "recovery_codes", "webauthn_challenges"):
            await db.rows(f"DELETE FROM {table} WHERE user_id = ?1", user_id)
