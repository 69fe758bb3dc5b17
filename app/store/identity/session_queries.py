"""The read API of sessions: owner, address, device and times.

Written as SQL: sessions with their users, which are a join.
"""

from datetime import UTC, datetime
from typing import Any

from app import clock, db
from app.domain.identity.user_agents import device_of
from app.errors import NoSuch
from app.store.identity import sessions
from app.store.listing import Listing, ListQuery
from app.store.tables.users import SessionRow
from schema.sessions import Session, SessionData

SORTS = {"created": "s.created_ms", "last_accessed": "s.last_accessed_ms", "expires": "s.expires_ms"}

_FROM = " FROM sessions s JOIN users u ON u.id = s.user_id"
_IS_ACTIVE = "s.ended_ms IS NULL AND s.expires_ms > CAST(?2 AS BIGINT) AND u.active"
_FILTERS = (
    " WHERE (CAST(?1 AS TEXT) IS NULL OR s.user_id = CAST(?1 AS TEXT))"
    f" AND (CAST(?3 AS INTEGER) IS NULL OR CAST(({_IS_ACTIVE}) AS INTEGER) = CAST(?3 AS INTEGER))"
)
_LISTING = Listing(
    select=f"SELECT s.*, u.username, u.active{_FROM}",
    count=f"SELECT count(*) AS n{_FROM}",
    filters=_FILTERS,
    sorts=SORTS,
    key="s.id",
)


class SessionQuery(ListQuery, frozen=True, kw_only=True):
    """Which sessions, in which order.

    user_id    the owner; None: everybody's
    active     true: active ones, false: ended ones; None: both
    sort       one of `SORTS`
    """

    user_id: str | None
    active: bool | None = None
    sort: str = "last_accessed"
    descending: bool = True


async def list_page(query: SessionQuery, current: str | None) -> tuple[list[Session], int]:
    """One page of sessions, and their total.

    current    the session of the caller
    """
    filters = (query.user_id, clock.now_ms(), None if query.active is None else int(query.active))
    found, total = await _LISTING.read(query, filters)
    return [_session_of(row, current) for row in found], total


async def get(session_id: str, owner: str | None, current: str | None) -> Session:
    """One session. Raises NoSuch, also for another owner's.

    owner    the user it must belong to; None: anybody
    """
    found = await db.rows(
        f"SELECT s.*, u.username, u.active{_FROM}"
        " WHERE s.id = ?1 AND (CAST(?2 AS TEXT) IS NULL OR s.user_id = CAST(?2 AS TEXT))",
        session_id,
        owner,
    )
    if not found:
        raise NoSuch("session", session_id)
    return _session_of(found[0], current)


async def end_others(owner: str | None, except_id: str | None) -> None:
    """End every session, of one user or of everybody, except one."""
    is_other = SessionRow.ended_ms.is_null() & (SessionRow.id != (except_id or ""))
    end = SessionRow.update({SessionRow.ended_ms: clock.now_ms()}).where(is_other)
    await (end if owner is None else end.where(SessionRow.user_id == owner))
    sessions.clear_cache()


def _session_of(row: Any, current: str | None) -> Session:
    expires = clock.instant(row["expires_ms"])
    return Session(
        id=row["id"],
        user_id=row["user_id"],
        created=clock.instant(row["created_ms"]),
        last_accessed=clock.instant(row["last_accessed_ms"]),
        expires=expires,
        active=row["ended_ms"] is None and bool(row["active"]) and expires > datetime.now(UTC),
        current=row["id"] == current,
        data=SessionData(
            user_id=row["user_id"], username=row["username"], ip=row["ip"], device=device_of(row["agent"])
        ),
    )
