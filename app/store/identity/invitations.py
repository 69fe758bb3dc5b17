"""Invitations: create, list, revoke, accept once. Only the hash of the token is stored."""

import secrets
from typing import Any
from uuid import uuid4

from piccolo.columns import And, Column
from piccolo.query.functions import Case, When

from app import clock, db
from app.errors import Conflict, Forbidden, NoSuch
from app.security.auth import tokens
from app.store.identity import users
from app.store.listing import ListQuery
from app.store.name_search import is_match, matching_ids
from app.store.tables.invitations import InvitationRow
from app.store.tables.users import UserRow
from schema.invitations import Invitation, InvitationDraft, InvitationStatus
from schema.status import Role
from schema.users import User

TTL_MS = 7 * 86_400_000  # long enough for a holiday
SORTS: dict[str, Column] = {
    "created_at": InvitationRow.created_ms,
    "expires_at": InvitationRow.expires_ms,
    "email": InvitationRow.email,
}
ALREADY_ACCEPTED = "The invitation was already accepted. Sign in with the password that was chosen."
ALREADY_A_USER = "There is already a user with this e-mail address."
NOT_OPEN = "The invitation was revoked or has expired. Ask for another one."
UNKNOWN = "There is no invitation with this token. Copy the whole link, or ask for another one."


class UnknownInvitation(Forbidden):
    """No invitation has this token: somebody guesses, or copied a part of it."""

    def __init__(self) -> None:
        super().__init__(UNKNOWN)


class InvitationQuery(ListQuery, frozen=True, kw_only=True):
    """Which invitations, in which order.

    q       part of the e-mail address, ignoring case
    sort    one of `SORTS`
    """

    q: str | None = None
    status: InvitationStatus | None = None
    sort: str = "created_at"
    descending: bool = True


async def create(draft: InvitationDraft, invited_by: str) -> tuple[Invitation, str]:
    """Create an invitation; returns it and its token. An earlier open one for this address is revoked.

    raises  Conflict (a user has this address)
    """
    id_, token, email, now_ms = str(uuid4()), secrets.token_urlsafe(32), draft.email.lower(), clock.now_ms()
    async with db.transaction():
        if await UserRow.exists().where(UserRow.email == email):
            raise Conflict(ALREADY_A_USER)
        earlier = (InvitationRow.email == email) & _is_open(now_ms)
        await InvitationRow.update({InvitationRow.revoked_ms: now_ms}).where(earlier)
        row = InvitationRow(
            id=id_, email=email, role=draft.role.value, token_hash=tokens.token_hash(token), invited_by=invited_by,
            created_ms=now_ms, expires_ms=now_ms + TTL_MS,
        )  # fmt: skip
        await InvitationRow.insert(row)
    return await get(id_), token


async def get(invitation_id: str) -> Invitation:
    """One invitation. Raises NoSuch."""
    columns = (*InvitationRow.all_columns(), _status(clock.now_ms()))
    row = await InvitationRow.select(*columns).where(InvitationRow.id == invitation_id).first()
    if row is None:
        raise NoSuch("invitation", invitation_id)
    return _invitation_of(row)


async def list_page(query: InvitationQuery) -> tuple[list[Invitation], int]:
    """One page of invitations, and their total."""
    status = _status(clock.now_ms())
    conditions = [] if query.status is None else [status == query.status.value]
    matches = await matching_ids(query.q, InvitationRow.id, InvitationRow.email)
    if matches is not None:
        conditions.append(is_match(InvitationRow.id, matches))
    n = await InvitationRow.count().where(*conditions)
    page = InvitationRow.select(*InvitationRow.all_columns(), status).where(*conditions)
    page = page.order_by(SORTS[query.sort], InvitationRow.id, ascending=not query.descending)
    return [_invitation_of(row) for row in await page.limit(query.limit).offset(query.offset)], int(n)


async def revoke(invitation_id: str) -> None:
    """Revoke an invitation. Raises NoSuch, Conflict (accepted already)."""
    if (await get(invitation_id)).status is InvitationStatus.REVOKED:
        return
    is_unused = (InvitationRow.id == invitation_id) & InvitationRow.accepted_ms.is_null()
    update = InvitationRow.update({InvitationRow.revoked_ms: clock.now_ms()}).where(is_unused)
    if not await update.returning(InvitationRow.id):
        raise Conflict("The invitation was already accepted. Change or delete the user instead.")


async def revoke_for_inviter(user_id: str) -> None:
    """Revoke the open invitations of a user who may no longer invite, in the transaction that changes that."""
    now_ms = clock.now_ms()
    is_affected = (InvitationRow.invited_by == user_id) & _is_open(now_ms)
    await InvitationRow.update({InvitationRow.revoked_ms: now_ms}).where(is_affected)


async def email_of(token: str) -> str:
    """The e-mail address of an open invitation. Raises UnknownInvitation, Forbidden."""
    columns = (InvitationRow.email, _status(clock.now_ms()))
    row = await InvitationRow.select(*columns).where(InvitationRow.token_hash == tokens.token_hash(token)).first()
    if row is None:
        raise UnknownInvitation
    status = InvitationStatus(row["status"])
    if status is not InvitationStatus.OPEN:
        raise Forbidden(ALREADY_ACCEPTED if status is InvitationStatus.ACCEPTED else NOT_OPEN)
    return str(row["email"])


async def accept(token: str, username: str, password_hash: str) -> User:
    """Create the invited user; a token works once, also for concurrent requests. Raises Forbidden, Conflict (taken)."""
    now_ms = clock.now_ms()
    is_valid = (InvitationRow.token_hash == tokens.token_hash(token)) & _is_open(now_ms)
    update = InvitationRow.update({InvitationRow.accepted_ms: now_ms}).where(is_valid)
    async with db.transaction():
        accepted = await update.returning(InvitationRow.email, InvitationRow.role)
        if accepted:
            user = users.build_user(username, accepted[0]["email"], Role(accepted[0]["role"]))
            await users.insert(user, password_hash)
            return user
    await email_of(token)  # says why it is no longer open
    raise Forbidden(NOT_OPEN)


def _status(now_ms: int) -> Case:
    """A column `status`, computed by the database."""
    return Case(
        When(InvitationRow.accepted_ms.is_not_null(), InvitationStatus.ACCEPTED.value),
        When(InvitationRow.revoked_ms.is_not_null(), InvitationStatus.REVOKED.value),
        When(InvitationRow.expires_ms <= now_ms, InvitationStatus.EXPIRED.value),
        default=InvitationStatus.OPEN.value,
        alias="status",
    )


def _is_open(now_ms: int) -> And:
    is_unused = InvitationRow.accepted_ms.is_null() & InvitationRow.revoked_ms.is_null()
    return is_unused & (InvitationRow.expires_ms > now_ms)


def _invitation_of(row: dict[str, Any]) -> Invitation:
    return Invitation(
        id=row["id"],
        email=row["email"],
        role=Role(row["role"]),
        status=InvitationStatus(row["status"]),
        invited_by=row["invited_by"],
        created_at=clock.instant(row["created_ms"]),
        expires_at=clock.instant(row["expires_ms"]),
    )
