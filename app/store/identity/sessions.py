"""Sessions: one row per sign-in; access token, refresh token and cookie are its faces and end with it.

Whose a session is, is remembered for a second: so a warm path does no SQL, and an end takes effect within one.
"""

from contextlib import suppress
from time import monotonic
from uuid import uuid4

from app import clock, db
from app.errors import Unauthorized
from app.security.auth import tokens
from app.store.identity import viewer_tags
from schema.status import Role
from schema.users import Principal

CACHE_S = 1.0  # how long an ended session may still be believed by another process
MAX_CACHED = 10_000  # holders; beyond it all are forgotten, which costs one query each
TOUCH_MS = 60_000  # `last_accessed` is right to the minute: a write per request would be the dearest part of it

_SELECT_PRINCIPAL = """
SELECT s.id, s.last_accessed_ms, u.id AS user_id, u.username, u.role FROM sessions s JOIN users u ON u.id = s.user_id
WHERE s.id = ?1 AND s.ended_ms IS NULL AND s.expires_ms > ?2 AND u.active
"""
_ROTATE = """
UPDATE sessions SET refresh_hash = ?3, last_accessed_ms = ?4, expires_ms = ?5
WHERE id = ?1 AND refresh_hash = ?2 AND ended_ms IS NULL AND expires_ms > ?4 RETURNING user_id
"""

_INSERT = """
INSERT INTO sessions (id, user_id, refresh_hash, created_ms, last_accessed_ms, expires_ms, ip, agent)
SELECT CAST(?1 AS TEXT), u.id, CAST(?3 AS TEXT), CAST(?4 AS BIGINT), CAST(?4 AS BIGINT), CAST(?5 AS BIGINT),
       CAST(?6 AS TEXT), CAST(?7 AS TEXT)
FROM users u WHERE u.id = ?2 AND u.active AND u.password_hash = COALESCE(CAST(?8 AS TEXT), u.password_hash)
"""
ACCOUNT_CHANGED = "The account or its password was changed meanwhile: sign in again."

_cache: dict[str, tuple[float, Principal | None]] = {}


async def start(user_id: str, *, ip: str, agent: str, password_hash: str | None = None) -> tuple[str, str]:
    """Sign in: (session id, refresh token).

    A reset password or a demotion ends sessions; one that begins meanwhile waits for it (PostgreSQL: FOR SHARE; SQLite
    has one writer), and then finds that the account has changed.

    password_hash   of the password that was shown: it must be the user's still
    raises          Unauthorized (switched off, gone, or another password by now)
    """
    sid, now_ms = str(uuid4()), clock.now_ms()
    token = tokens.refresh_token(sid)
    await db.rows("DELETE FROM sessions WHERE user_id = ?1 AND expires_ms < ?2", user_id, now_ms)
    begun = await db.rows(
        f"{_INSERT} {'' if db.is_sqlite() else 'FOR SHARE'} RETURNING id",
        sid,
        user_id,
        tokens.token_hash(token),
        now_ms,
        now_ms + tokens.REFRESH_LIFETIME_S * 1000,
        ip,
        agent[:200],
        password_hash,
    )
    if not begun:
        raise Unauthorized(ACCOUNT_CHANGED)
    return sid, token


async def rotate_refresh_token(token: str) -> tuple[str, str, str]:
    """Trade a refresh token for the next: (session id, user id, new token).

    raises  Unauthorized; and a token that was already traded ends the session, since one of two holders stole it
    """
    sid, now_ms = tokens.sid_of_refresh(token), clock.now_ms()
    fresh = tokens.refresh_token(sid)
    won = await db.rows(
        _ROTATE,
        sid,
        tokens.token_hash(token),
        tokens.token_hash(fresh),
        now_ms,
        now_ms + tokens.REFRESH_LIFETIME_S * 1000,
    )
    if won:
        return sid, won[0]["user_id"], fresh
    await end(sid)
    raise Unauthorized("The refresh token was used before or its session has ended: sign in again.")


async def end(sid: str) -> None:
    """Sign out: both faces end at once, here now and in other processes within a second."""
    await db.rows("UPDATE sessions SET ended_ms = ?2 WHERE id = ?1 AND ended_ms IS NULL", sid, clock.now_ms())
    _cache.pop(sid, None)


async def end_others(user_id: str, *, except_id: str | None = None) -> None:
    """End every session of a user but one; what they may do, or sign in with, has changed."""
    await db.rows(
        "UPDATE sessions SET ended_ms = ?3 WHERE user_id = ?1 AND id <> ?2 AND ended_ms IS NULL",
        user_id,
        except_id or "",
        clock.now_ms(),
    )
    clear_cache()


async def principal_of(sid: str) -> Principal | None:
    """Whose session this is, or None when it is over; at most a second old."""
    seen_at, holder = _cache.get(sid, (-CACHE_S, None))
    if monotonic() - seen_at < CACHE_S:
        return holder
    asked_at = monotonic()
    holder = await _load_principal(sid)
    if len(_cache) >= MAX_CACHED:
        _cache.clear()
    _cache[sid] = (asked_at, holder)
    return holder


def clear_cache() -> None:
    """Ask the store about every session again; for a change of users, and for tests."""
    _cache.clear()


async def _load_principal(sid: str) -> Principal | None:
    now_ms = clock.now_ms()
    found = await db.rows(_SELECT_PRINCIPAL, sid, now_ms)
    if not found:
        return None
    row = found[0]
    if now_ms - row["last_accessed_ms"] > TOUCH_MS:
        with suppress(
            *db.TRANSIENT_ERRORS
        ):  # a busy database must not turn a read into a refusal; the next minute writes it
            await db.rows("UPDATE sessions SET last_accessed_ms = ?2 WHERE id = ?1", sid, now_ms)
    role = Role(row["role"])
    return Principal(
        user_id=row["user_id"],
        username=row["username"],
        role=role,
        via="session",
        session_id=row["id"],
        tags=await viewer_tags.scope_of(row["user_id"], role),
    )
