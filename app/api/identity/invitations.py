"""Invitations over HTTP: admins create and revoke them, guests accept them."""

from typing import Any, Literal
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Struct, structs

from app.api.http import pagination
from app.api.http.pagination import Limit, ListRequest, Order, Page, Search
from app.api.identity import login_response
from app.api.identity.auth import username_from_email
from app.security.auth.policy import ADMIN, ANYONE
from app.security.credentials import common_passwords, passwords
from app.security.limits import brute_force
from app.security.limits.proxy_headers import address_of
from app.store.identity import invitations
from app.store.identity.invitations import InvitationQuery, UnknownInvitation
from schema.invitations import Invitation, InvitationAcceptance, InvitationDraft, InvitationStatus, IssuedInvitation
from schema.login_attempts import CredentialKind
from schema.pagination import Pagination
from schema.users import LoginResponse, Principal

Sort = Literal["created_at", "expires_at", "email"]


class Invitations(Struct, frozen=True):
    """The whole list, up to 1,000 items. `total` counts all of them."""

    invitations: list[Invitation]
    total: int


class InvitationPage(Struct, frozen=True):
    """One page of a list."""

    data: list[Invitation]
    pagination: Pagination


async def list_request(
    page: Page = None,
    limit: Limit = None,
    q: Search = None,
    status: FromQuery[InvitationStatus | None] = None,
    sort: FromQuery[Sort] = "created_at",
    order: FromQuery[Order] = "desc",
) -> ListRequest[InvitationQuery]:
    """The requested invitations, from the query parameters."""
    window = pagination.window_of(page, limit)
    query = InvitationQuery(q=q, status=status, sort=sort, **window.part(order))
    return ListRequest(query, window)


async def issue_invitation(draft: InvitationDraft, principal: Principal, state: State) -> IssuedInvitation:
    """Create an invitation with its link, which is shown only once."""
    invitation, token = await invitations.create(draft, principal.user_id)
    link = f"{state.settings.client_url.rstrip('/')}/invitation#{token}"
    return IssuedInvitation(**structs.asdict(invitation), token=token, link=link)


class InvitationController(Controller):
    """Invitations of people, who choose their own password."""

    path = "/invitations"
    tags = ("Users",)

    @get(operation_id="ListInvitations", guards=[ADMIN], dependencies={"list_request": Provide(list_request)})
    async def list_invitations(
        self, list_request: NamedDependency[ListRequest[InvitationQuery]]
    ) -> Invitations | InvitationPage:
        """List invitations, newest first unless you send `sort`, paged when `page` or `limit` is given."""
        found, total = await invitations.list_page(list_request.query)
        return list_request.reply(found, total, Invitations, InvitationPage)

    @post(operation_id="CreateInvitation", guards=[ADMIN], opt={"refusals": [409]})
    async def create_invitation(
        self, data: JSONBody[InvitationDraft], state: State, principal: NamedDependency[Principal]
    ) -> IssuedInvitation:
        """Invite somebody. Only this reply shows the link. It is valid for seven days and for one person."""
        return await issue_invitation(data, principal, state)

    @get("/{invitation_id:str}", operation_id="GetInvitation", guards=[ADMIN])
    async def get_invitation(self, invitation_id: FromPath[UUID]) -> Invitation:
        """Get one invitation, without its link."""
        return await invitations.get(str(invitation_id))

    @delete("/{invitation_id:str}", operation_id="RevokeInvitation", guards=[ADMIN], opt={"refusals": [409]})
    async def revoke_invitation(self, invitation_id: FromPath[UUID]) -> None:
        """Revoke an invitation that was not accepted yet."""
        await invitations.revoke(str(invitation_id))

    @post("/accept", operation_id="AcceptInvitation", status_code=200, guards=[ANYONE], opt={"refusals": [403, 409]})
    async def accept_invitation(
        self, request: Request[Any, Any, Any], data: JSONBody[InvitationAcceptance]
    ) -> Response[LoginResponse]:
        """Accept an invitation with a name and a password, and sign in."""
        email = await _invited_email(data.token, address_of(request))
        username = data.username or username_from_email(email)
        common_passwords.require_strong_password(data.password, username, email)
        user = await invitations.accept(data.token, username, await passwords.hash_password(data.password))
        return await login_response.start_session(request, user)


async def _invited_email(token: str, address: str) -> str:
    """The e-mail address of an invitation. Raises Forbidden, and LockedOut for guessing.

    The token of an invitation that was accepted or has ended is no guess: a repeated request is not counted.
    """
    await brute_force.refuse_if_locked(CredentialKind.LINK, address)
    try:
        return await invitations.email_of(token)
    except UnknownInvitation:
        await brute_force.record_failure(CredentialKind.LINK, address)
        raise
