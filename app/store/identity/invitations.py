"""Invitations: create, list, revoke, accept once. Only the hash of the token is stored."""

import secrets
from typing import Any
from uuid import uuid4

from msgspec import Struct

from app import clock, db
from app.errors import Conflict, Forbidden, NoSuch
from app.security.auth import tokens
from app.store.identity import users
from app.store.sql import contains_pattern
from schema.invitations import Invitation, InvitationDraft, InvitationStatus
from schema.status import Role
from schema.users import User

TTL_MS = 7 * 86_400_000  # long enough for a holiday
MAX_PAGE_SIZE = 1_000  # invitations
SORTS = {"created_at": "created_ms", "expires_at": "expires_ms", "email": "email"}
ALREADY_A_USER = "There is already a user with this e-mail address."
NOT_OPEN = "The invitation was used or revoked, or has expired. Ask for another one."

_STATUS = (
    "CASE WHEN accepted_ms IS NOT NULL THEN 'accepted' WHEN revoked_ms IS NOT NULL THEN 'revoked'"
    " WHEN expires_ms <= CAST(?1 AS BIGINT) THEN 'expired' ELSE 'open' END"
)
_FILTERS = (
    " WHERE (CAST(?2 AS TEXT) IS NULL OR email LIKE lower(CAST(?2 AS TEXT)) ESCAPE '!')"
    f" AND (CAST(?3 AS TEXT) IS NULL OR {_STATUS} = CAST(?3 AS TEXT))"
)
_IS_OPEN = "accepted_ms IS NULL AND revoked_ms IS NULL AND expires_ms > ?2"


class InvitationQuery(Struct, frozen=True, kw_only=True):
    """Which invitations, in which order.

    q       part of the e-mail address, ignoring case
    sort    one of `SORTS`
    """

    q: str | None = None
    status: InvitationStatus | None = None
    sort: str = "created_at"
    descending: bool = True
    limit: int = MAX_PAGE_SIZE
    offset: int = 0


async def create(draft: InvitationDraft, invited_by: str) -> tuple[Invitation, str]:
    """Create an invitation; returns it and its token. An earlier open one for this address is revoked.

    raises  Conflict (a user has this address)
    """
    id_, token, email, now_ms = str(uuid4()), secrets.token_urlsafe(32), draft.email.lower(), clock.now_ms()
    async with db.transaction():
        if await db.rows("SELECT 1 AS one FROM users WHERE email = ?1", email):
            raise Conflict(ALREADY_A_USER)
        await db.rows(f"UPDATE invitations SET revoked_ms = ?2 WHERE email = ?1 AND {_IS_OPEN}", email, now_ms)
        await db.rows(
            "INSERT INTO invitations (id, email, role, token_hash, invited_by, created_ms, expires_ms)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            id_,
            email,
            draft.role.value,
            tokens.token_hash(token),
            invited_by,
            now_ms,
            now_ms + TTL_MS,
        )
    return await get(id_), token


async def get(invitation_id: str) -> Invitation:
    """One invitation. Raises NoSuch."""
    found = await db.rows(
        f"SELECT i.*, {_STATUS} AS status FROM invitations i WHERE id = ?2", clock.now_ms(), invitation_id
    )
    if not found:
        raise NoSuch("invitation", invitation_id)
    return _invitation_of(found[0])


async def list_page(query: InvitationQuery) -> tuple[list[Invitation], int]:
    """One page of invitations, and their total."""
    filters = (clock.now_ms(), contains_pattern(query.q), query.status and query.status.value)
    order = f"{SORTS[query.sort]} {'DESC' if query.descending else 'ASC'}, id"
    counted = await db.rows(f"SELECT count(*) AS n FROM invitations{_FILTERS}", *filters)
    found = await db.rows(
        f"SELECT i.*, {_STATUS} AS status FROM invitations i{_FILTERS} ORDER BY {order} LIMIT ?4 OFFSET ?5",
        *filters,
        query.limit,
        query.offset,
    )
    return [_invitation_of(row) for row in found], int(counted[0]["n"])


async def revoke(invitation_id: str) -> None:
    """Revoke an invitation. Raises NoSuch, Conflict (accepted already)."""
    if (await get(invitation_id)).status is InvitationStatus.REVOKED:
        return
    revoked = await db.rows(
        "UPDATE invitations SET revoked_ms = ?2 WHERE id = ?1 AND accepted_ms IS NULL RETURNING id",
        invitation_id,
        clock.now_ms(),
    )
    if not revoked:
        raise Conflict("The invitation was already accepted. Change or delete the user instead.")


async def revoke_for_inviter(user_id: str) -> None:
    """Revoke the open invitations of a user who may no longer invite, in the transaction that changes that."""
    await db.rows(
        f"UPDATE invitations SET revoked_ms = ?2 WHERE invited_by = ?1 AND {_IS_OPEN}", user_id, clock.now_ms()
    )


async def email_of(token: str) -> str:
    """The e-mail address of an open invitation. Raises Forbidden."""
    found = await db.rows(
        f"SELECT email FROM invitations WHERE token_hash = ?1 AND {_IS_OPEN}", *_token_parameters(token)
    )
    if not found:
        raise Forbidden(NOT_OPEN)
    return str(found[0]["email"])


async def accept(token: str, username: str, password_hash: str) -> User:
    """Create the invited user; a token works once, also for concurrent requests. Raises Forbidden, Conflict (taken)."""
    async with db.transaction():
        accepted = await db.rows(
            f"UPDATE invitations SET accepted_ms = ?2 WHERE token_hash = ?1 AND {_IS_OPEN} RETURNING email, role",
            *_token_parameters(token),
        )
        if not accepted:
            raise Forbidden(NOT_OPEN)
        user = users.build_user(username, accepted[0]["email"], Role(accepted[0]["role"]))
        await users.insert(user, password_hash)
    return user


def _token_parameters(token: str) -> tuple[str, int]:
    return tokens.token_hash(token), clock.now_ms()


def _invitation_of(row: Any) -> Invitation:
    return Invitation(
        id=row["id"],
        email=row["email"],
        role=Role(row["role"]),
        status=InvitationStatus(row["status"]),
        invited_by=row["invited_by"],
        created_at=clock.instant(row["created_ms"]),
        expires_at=clock.instant(row["expires_ms"]),
    )
