"""Second factors: TOTP secrets, recovery codes, and which factors a user has. Passkeys are in `passkeys`.

Each code is accepted once: of concurrent requests the database picks one.
Written as SQL: the counts of all factors, which are one statement.
"""

from msgspec import Struct

from app import clock, db
from app.errors import Conflict, Unauthorized
from app.security.credentials import totp
from app.security.secrets import sealing
from app.store.tables.mfa import PasskeyRow, RecoveryCodeRow, TotpRow, WebauthnChallengeRow
from schema.mfa import TwoFactorStatus

SETUP_MS = 900_000  # how long a secret waits for its first code: it was visible on a screen
ALREADY_ENABLED = "One-time codes are already set up. Disable two-factor authentication first."
_SELECT_STATUS = """
SELECT (SELECT count(*) FROM totp WHERE user_id = ?1 AND active_ms IS NOT NULL) AS totp,
       (SELECT count(*) FROM passkeys WHERE user_id = ?1) AS passkeys,
       (SELECT count(*) FROM recovery_codes WHERE user_id = ?1 AND used_ms IS NULL) AS recovery_codes
"""


class UsedCode(Unauthorized):
    """A right code that was used before: a repeated request, and no guess."""

    def __init__(self) -> None:
        super().__init__("The code was already used. Use the next code of the app, or another recovery code.")


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
    insert = TotpRow.insert(TotpRow(user_id=user_id, secret=sealing.encrypt(secret), created_ms=clock.now_ms()))
    changed = [TotpRow.secret, TotpRow.created_ms]
    if not await insert.on_conflict(TotpRow.user_id, "DO UPDATE", changed, TotpRow.active_ms.is_null()):
        raise Conflict(ALREADY_ENABLED)
    return secret


async def match_code(user_id: str, code: str) -> CodeMatch | None:
    """Check a code of the app in set-up; None when it is wrong. Raises Conflict."""
    columns = (TotpRow.secret, TotpRow.active_ms, TotpRow.created_ms)
    row = await TotpRow.select(*columns).where(TotpRow.user_id == user_id).first()
    if row is None or row["active_ms"] is not None:
        raise Conflict(ALREADY_ENABLED if row else "One-time codes are not being set up. Start with /auth/2fa/setup.")
    now_ms = clock.now_ms()
    if row["created_ms"] < now_ms - SETUP_MS:
        raise Conflict("The set-up was started too long ago. Start again with /auth/2fa/setup.")
    step = totp.step_of(sealing.decrypt(row["secret"]), code, now_ms / 1000)
    return None if step is None else CodeMatch(row["secret"], step)


async def confirm_setup(user_id: str, match: CodeMatch) -> list[str]:
    """Require codes of this app from now on; returns the recovery codes. Raises Conflict."""
    is_in_setup = (TotpRow.user_id == user_id) & (TotpRow.secret == match.secret) & TotpRow.active_ms.is_null()
    confirm = TotpRow.update({TotpRow.active_ms: clock.now_ms(), TotpRow.last_step: match.step}).where(is_in_setup)
    async with db.transaction():
        if not await confirm.returning(TotpRow.user_id):
            raise Conflict("The set-up was started again meanwhile. Use a code of the newest secret.")
        return await replace_recovery_codes(user_id)


async def verify_code(user_id: str, code: str) -> bool:
    """Whether this is an unused code of the user's app, or an unused recovery code. Raises UsedCode."""
    is_active = (TotpRow.user_id == user_id) & TotpRow.active_ms.is_not_null()
    row = await TotpRow.select(TotpRow.secret, TotpRow.last_step).where(is_active).first()
    if row is not None:
        secret, now_s = sealing.decrypt(row["secret"]), clock.now_ms() / 1000
        step = totp.step_of(secret, code, now_s, after=row["last_step"])
        if step is not None and await _use_step(user_id, step):
            return True
        if totp.step_of(secret, code, now_s) is not None:  # of the last step used, or before it
            raise UsedCode
    return await _use_recovery_code(user_id, totp.recovery_code_hash(user_id, code))


async def _use_step(user_id: str, step: int) -> bool:
    is_unused = (TotpRow.user_id == user_id) & (TotpRow.last_step < step)
    return bool(await TotpRow.update({TotpRow.last_step: step}).where(is_unused).returning(TotpRow.user_id))


async def _use_recovery_code(user_id: str, code_hash: str) -> bool:
    is_code = (RecoveryCodeRow.user_id == user_id) & (RecoveryCodeRow.code_hash == code_hash)
    use = RecoveryCodeRow.update({RecoveryCodeRow.used_ms: clock.now_ms()})
    if await use.where(is_code, RecoveryCodeRow.used_ms.is_null()).returning(RecoveryCodeRow.user_id):
        return True
    if await RecoveryCodeRow.exists().where(is_code):
        raise UsedCode
    return False


async def replace_recovery_codes(user_id: str) -> list[str]:
    """Replace a user's recovery codes; returns the new ones. Only inside `db.transaction`."""
    codes = totp.generate_recovery_codes()
    await RecoveryCodeRow.delete().where(RecoveryCodeRow.user_id == user_id)
    rows = [RecoveryCodeRow(user_id=user_id, code_hash=totp.recovery_code_hash(user_id, code)) for code in codes]
    await RecoveryCodeRow.insert(*rows)
    return codes


async def renew_recovery_codes(user_id: str) -> list[str]:
    """`replace_recovery_codes` in a transaction of its own."""
    async with db.transaction():
        return await replace_recovery_codes(user_id)


async def disable(user_id: str) -> None:
    """Delete every second factor of a user."""
    async with db.transaction():
        await delete_factors(user_id)


async def delete_factors(user_id: str) -> None:
    """`disable`, in the caller's transaction."""
    await TotpRow.delete().where(TotpRow.user_id == user_id)
    await PasskeyRow.delete().where(PasskeyRow.user_id == user_id)
    await RecoveryCodeRow.delete().where(RecoveryCodeRow.user_id == user_id)
    await WebauthnChallengeRow.delete().where(WebauthnChallengeRow.user_id == user_id)
