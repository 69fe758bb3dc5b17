"""Users over HTTP, managed by admins."""

import secrets
from typing import Any, Literal
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Struct

from app.api.http import audit_trail, etags, pagination
from app.api.http.pagination import Limit, ListRequest, Order, Page, Search
from app.api.http.updates import update
from app.api.identity import invitations
from app.api.identity.auth import username_from_email
from app.security.auth.policy import ADMIN
from app.security.credentials import common_passwords, passwords
from app.store.identity import user_admin
from app.store.identity.user_admin import UserQuery
from app.store.versions import ExpectedVersion
from schema.invitations import InvitationDraft, IssuedInvitation
from schema.pagination import Pagination
from schema.status import Role
from schema.user_admin import GeneratedPassword, PasswordReset, UpdatedUser, UserDetail, UserDraft, UserPatch
from schema.users import Principal

CREATING, VERSIONED = {"refusals": [409]}, {"refusals": [409, 412]}
PASSWORD_BYTES = 15  # 120 bits in 20 characters, short enough to read out over a telephone
AnyRequest = Request[Any, Any, Any]
Sort = Literal["username", "email", "role", "created_at", "last_seen_at"]


class Users(Struct, frozen=True):
    """The whole list, up to 1,000 items. `total` counts all of them."""

    users: list[UserDetail]
    total: int


class UserPage(Struct, frozen=True):
    """One page of a list."""

    data: list[UserDetail]
    pagination: Pagination


async def list_request(  # noqa: PLR0913, PLR0917  # query parameters
    page: Page = None,
    limit: Limit = None,
    q: Search = None,
    role: FromQuery[Role | None] = None,
    active: FromQuery[bool | None] = None,
    sort: FromQuery[Sort] = "username",
    order: FromQuery[Order] = "asc",
) -> ListRequest[UserQuery]:
    """The requested users, from the query parameters."""
    window = pagination.window_of(page, limit)
    query = UserQuery(q=q, role=role, active=active, sort=sort, **window.part(order))
    return ListRequest(query, window)


class UserController(Controller):
    """User accounts and their roles."""

    path = "/users"
    tags = ("Users",)
    guards = (ADMIN,)
    dependencies = {  # noqa: RUF012  # Litestar's way
        "list_request": Provide(list_request),
        "version": Provide(etags.if_match),
    }

    @get(operation_id="ListUsers")
    async def list_users(self, list_request: NamedDependency[ListRequest[UserQuery]]) -> Users | UserPage:
        """List users, by user name unless you send `sort`, paged when `page` or `limit` is given."""
        found, total = await user_admin.list_page(list_request.query)
        return list_request.reply(found, total, Users, UserPage)

    @post(operation_id="CreateUser", opt=CREATING)
    async def create_user(
        self, data: JSONBody[UserDraft], state: State, principal: NamedDependency[Principal]
    ) -> Response[UserDetail | IssuedInvitation]:
        """Create a user. Without a password they are invited, and the reply is the invitation with its link."""
        if data.password is None:
            invitation = await invitations.issue_invitation(
                InvitationDraft(email=data.email, role=data.role), principal, state
            )
            return Response(invitation, status_code=201)
        username = data.username or username_from_email(data.email)
        common_passwords.require_strong_password(data.password, username, data.email)
        user = await user_admin.create(username, data.email, data.role, await passwords.hash_password(data.password))
        return Response(user, status_code=201, headers=etags.etag_header(user, user.version))

    @get("/{user_id:str}", operation_id="GetUser")
    async def get_user(self, user_id: FromPath[UUID]) -> Response[UserDetail]:
        """Get one user."""
        return etags.with_etag(await user_admin.get(str(user_id)))

    @update("/{user_id:str}", "User", opt=VERSIONED)
    async def update_user(
        self,
        request: AnyRequest,
        user_id: FromPath[UUID],
        data: JSONBody[UserPatch],
        version: NamedDependency[ExpectedVersion],
    ) -> Response[UpdatedUser]:
        """Update a user. Absent fields stay. Another role, or `active: false`, ends their sessions at once.

        A lower role, or `active: false`, also disables their API keys, unless `keys` is `keep`.
        """
        return await _update_user(request, str(user_id), data, version)

    @post("/{user_id:str}/reset-password", operation_id="ResetUserPassword", status_code=200)
    async def reset_user_password(
        self, request: AnyRequest, user_id: FromPath[UUID], data: JSONBody[PasswordReset]
    ) -> GeneratedPassword:
        """Reset a user's password, to the given one or a generated one. Ends their sessions at once.

        Their API keys are disabled as well, unless `keys` is `keep`; invitations they sent are revoked.
        """
        user = await user_admin.get(str(user_id))
        if data.password is not None:
            common_passwords.require_strong_password(data.password, user.username, user.email)
        generated = None if data.password else secrets.token_urlsafe(PASSWORD_BYTES)
        hashed = await passwords.hash_password(data.password or generated or "")
        revoked = await user_admin.set_password(user.id, hashed, key_action=data.api_keys)
        audit_trail.trail_of(request).change["api_keys_revoked"] = revoked
        return GeneratedPassword(password=generated, api_keys_revoked=revoked)

    @delete("/{user_id:str}", operation_id="DeleteUser", opt=VERSIONED)
    async def delete_user(
        self,
        request: AnyRequest,
        user_id: FromPath[UUID],
        version: NamedDependency[ExpectedVersion],
    ) -> None:
        """Delete a user and their sessions. The last admin can't be deleted."""
        audit_trail.trail_of(request).record_deleted(await user_admin.delete(str(user_id), version=version))


async def _update_user(
    request: AnyRequest, user_id: str, patch: UserPatch, version: ExpectedVersion
) -> Response[UpdatedUser]:
    """Update a user, and record how many keys that disabled."""
    user = await user_admin.update(user_id, patch, version=version)
    if user.api_keys_revoked:
        audit_trail.trail_of(request).change["api_keys_revoked"] = user.api_keys_revoked
    return etags.with_etag(user)
