"""Sessions: one row per sign-in. The access token, the refresh token and the cookie end with it.

Principals are cached for a second: a request with a warm cache runs no SQL, and the end of a session takes effect
within a second.
Written as SQL: the principal, which is a join, and the insertion, which reads and locks the user.
"""

from contextlib import suppress
from time import monotonic
from uuid import uuid4

from msgspec import Struct
from piccolo.columns import And

from app import clock, db
from app.errors import Unauthorized
from app.security.auth import tokens
from app.store.identity import viewer_tags
from app.store.tables.users import SessionRow
from schema.status import Role
from schema.users import Principal

CACHE_S = 1.0  # how long another process may still accept an ended session
MAX_CACHED = 10_000  # principals; beyond it the cache is cleared, which costs one query each
# How long a used refresh token returns the same successor: for tabs that refresh together, and for a client that lost
# the response and tries again after its own timeout, which is mostly 10 to 30 s. Okta's default is 30 s as well.
REFRESH_GRACE_MS = 30_000
TOUCH_MS = 60_000  # `last_accessed` is accurate to the minute: a write would be the most expensive part of a request

_SELECT_PRINCIPAL = """
SELECT s.id, s.last_accessed_ms, u.id AS user_id, u.username, u.role FROM sessions s JOIN users u ON u.id = s.user_id
WHERE s.id = ?1 AND s.ended_ms IS NULL AND s.expires_ms > ?2 AND u.active
"""
_INSERT = """
INSERT INTO sessions (id, user_id, refresh_hash, created_ms, last_accessed_ms, expires_ms, ip, agent)
SELECT CAST(?1 AS TEXT), u.id, CAST(?3 AS TEXT), CAST(?4 AS BIGINT), CAST(?4 AS BIGINT), CAST(?5 AS BIGINT),
       CAST(?6 AS TEXT), CAST(?7 AS TEXT)
FROM users u WHERE u.id = ?2 AND u.active AND u.password_hash = COALESCE(CAST(?8 AS TEXT), u.password_hash)
"""
ACCOUNT_CHANGED = "The account or its password was changed meanwhile. Sign in again."
SESSION_ENDED = "The session of this refresh token has ended. Sign in again."
REFRESHED_ELSEWHERE = "Another request has just exchanged this refresh token. Use the token of its response."


class RefreshedSession(Struct, frozen=True):
    """A session with its newest refresh token.

    is_repeated    an earlier request exchanged the same token; nothing was changed
    """

    id: str
    user_id: str
    refresh_token: str
    is_repeated: bool = False


class RefreshTokenReused(Unauthorized):
    """A refresh token was used again after the grace: one of its two holders stole it, so its session was ended."""

    def __init__(self, user_id: str) -> None:
        super().__init__("The refresh token was used before, so its session was ended. Sign in again.")
        self.user_id = user_id


_cache: dict[str, tuple[float, Principal | None]] = {}


async def start(user_id: str, *, ip: str, agent: str, password_hash: str | None = None) -> tuple[str, str]:
    """Sign in; returns session id and refresh token.

    A password reset or a demotion ends sessions. A session that starts meanwhile waits for it (PostgreSQL: FOR SHARE;
    SQLite has one writer) and then finds the changed account.

    password_hash   of the password that the user entered: it must still be the user's
    raises          Unauthorized (account inactive or deleted, or its password changed)
    """
    sid, now_ms = str(uuid4()), clock.now_ms()
    token = tokens.refresh_token(sid)
    await SessionRow.delete().where((SessionRow.user_id == user_id) & (SessionRow.expires_ms < now_ms))
    started = await db.rows(
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
    if not started:
        raise Unauthorized(ACCOUNT_CHANGED)
    return sid, token


async def rotate_refresh_token(token: str) -> RefreshedSession:
    """Exchange a refresh token for a new one, and extend the session.

    The token just before the present one returns the present one for REFRESH_GRACE_MS, and extends nothing.
    raises  RefreshTokenReused; Unauthorized (forged, or the session has ended)
    """
    sid, successor, now_ms = tokens.sid_of_refresh(token), tokens.successor_of(token), clock.now_ms()
    used_hash = tokens.token_hash(token)
    rotate = SessionRow.update({
        SessionRow.refresh_hash: tokens.token_hash(successor), SessionRow.previous_refresh_hash: used_hash,
        SessionRow.refreshed_ms: now_ms, SessionRow.last_accessed_ms: now_ms,
        SessionRow.expires_ms: now_ms + tokens.REFRESH_LIFETIME_S * 1000,
    })  # fmt: skip
    is_current = SessionRow.refresh_hash == used_hash
    if rotated := await rotate.where(_is_open(sid, now_ms) & is_current).returning(SessionRow.user_id):
        return RefreshedSession(sid, rotated[0]["user_id"], successor)
    return await _repeat_refresh(sid, token, now_ms)


async def _repeat_refresh(sid: str, token: str, now_ms: int) -> RefreshedSession:
    """The result of the earlier exchange of a used token. Raises Unauthorized; RefreshTokenReused after the grace."""
    columns = (
        SessionRow.user_id, SessionRow.refresh_hash, SessionRow.previous_refresh_hash, SessionRow.refreshed_ms,
    )  # fmt: skip
    row = await SessionRow.select(*columns).where(_is_open(sid, now_ms)).first()
    if row is None:
        raise Unauthorized(SESSION_ENDED)
    is_previous = row["previous_refresh_hash"] == tokens.token_hash(token)
    if not is_previous or abs(now_ms - row["refreshed_ms"]) > REFRESH_GRACE_MS:  # clocks of two nodes differ
        await end(sid)
        raise RefreshTokenReused(row["user_id"])
    for successor in tokens.possible_successors(token):
        if tokens.token_hash(successor) == row["refresh_hash"]:
            return RefreshedSession(sid, row["user_id"], successor, is_repeated=True)
    raise Unauthorized(REFRESHED_ELSEWHERE)  # by a process of an earlier version, whose tokens can't be derived


def _is_open(sid: str, now_ms: int) -> And:
    return (SessionRow.id == sid) & SessionRow.ended_ms.is_null() & (SessionRow.expires_ms > now_ms)


async def end(sid: str) -> None:
    """Sign out: here at once, in other processes within a second."""
    is_open = (SessionRow.id == sid) & SessionRow.ended_ms.is_null()
    await SessionRow.update({SessionRow.ended_ms: clock.now_ms()}).where(is_open)
    _cache.pop(sid, None)


async def end_others(user_id: str, *, except_id: str | None = None) -> None:
    """End every session of a user but one, because the user's rights or credentials changed."""
    is_other = (SessionRow.user_id == user_id) & (SessionRow.id != (except_id or ""))
    end = SessionRow.update({SessionRow.ended_ms: clock.now_ms()})
    await end.where(is_other, SessionRow.ended_ms.is_null())
    clear_cache()


async def principal_of(sid: str) -> Principal | None:
    """The principal of a session, or None when the session ended; at most a second old."""
    cached_at, principal = _cache.get(sid, (-CACHE_S, None))
    if monotonic() - cached_at < CACHE_S:
        return principal
    loaded_at = monotonic()
    principal = await _load_principal(sid)
    if len(_cache) >= MAX_CACHED:
        _cache.clear()
    _cache[sid] = (loaded_at, principal)
    return principal


def clear_cache() -> None:
    """Read sessions from the store again; after a change of users, and for tests."""
    _cache.clear()


async def _load_principal(sid: str) -> Principal | None:
    now_ms = clock.now_ms()
    found = await db.rows(_SELECT_PRINCIPAL, sid, now_ms)
    if not found:
        return None
    row = found[0]
    if now_ms - row["last_accessed_ms"] > TOUCH_MS:
        with suppress(*db.TRANSIENT_ERRORS):  # a busy database must not fail a read; the next minute writes it
            await SessionRow.update({SessionRow.last_accessed_ms: now_ms}).where(SessionRow.id == sid)
    role = Role(row["role"])
    return Principal(
        user_id=row["user_id"],
        username=row["username"],
        role=role,
        via="session",
        session_id=row["id"],
        tags=await viewer_tags.scope_of(row["user_id"], role),
    )
